package jail

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if in := Main(); in != nil {
		fmt.Println(in.Walls, in.Args)
		fmt.Println(os.ReadDir("/"))
		os.Exit(7)
	}
	os.Exit(m.Run())
}

func TestStart(t *testing.T) {
	p, err := Start(Config{Name: "test", Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Wait(); s.Code != 7 {
		t.Errorf("got %+v", s)
	}
}
