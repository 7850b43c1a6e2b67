package jail

import (
	"os"
	"testing"
)

// BenchmarkWalls starts a worker behind more and more walls, and waits until
// it has gone on and ended. The figures beside the time are of the start alone.
func BenchmarkWalls(b *testing.B) {
	sets := []struct {
		name  string
		walls Walls
	}{
		{"none", wallsEnd}, // a bit that is no wall: zero would be all
		{"user", WallUser},
		{"+mount", WallUser | WallMount},
		{"+pid", WallUser | WallMount | WallPID},
		{"+ipc+uts", WallUser | WallMount | WallPID | WallIPC | WallUTS},
		{"+landlock", WallUser | WallMount | WallPID | WallIPC | WallUTS | WallLandlock},
		{"+seccomp", WallUser | WallMount | WallPID | WallIPC | WallUTS | WallLandlock | WallSeccomp},
		{"+net", WallsAll &^ wallsLimits},
		{"+memory", WallsAll &^ (WallProcesses | WallCPU)},
		{"all", WallsAll},
	}
	for _, set := range sets {
		b.Run(set.name, func(b *testing.B) {
			c := Config{Name: "bench", Walls: set.walls, Args: []string{"nothing"}}
			if set.walls.Has(WallMemory) {
				c.MemoryBytes = 1 << 28
			}
			if set.walls.Has(WallsAll) {
				c.ProcessesMax, c.CPUPercent = 64, 200
			}
			b.ResetTimer()
			for range b.N {
				p, err := Start(c)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				p.Wait()
				b.StartTimer()
			}
		})
	}
	if os.Getuid() != 0 {
		b.Log("not root: the cgroups' walls may not stand")
	}
}
