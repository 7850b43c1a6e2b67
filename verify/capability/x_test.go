package capability

import (
	"os"
	"strings"
	"testing"
)

func TestX(t *testing.T) {
	c := Config{}
	if f := os.Getenv("A"); f != "" {
		c.Facets = strings.Split(f, ",")
	}
	if os.Getenv("A") == "scenes" {
		for _, s := range runScenarios() {
			t.Logf("%+v", s)
		}
		return
	}
	Run(c, os.Stdout)
}
