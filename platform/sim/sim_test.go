package sim

import (
	"testing"

	"phios/platform"
	"phios/platform/platformtest"
)

func TestConformance(t *testing.T) {
	platformtest.Run(t, func(*testing.T) platform.Machine { return New(Config{Seed: 1}) })
}
