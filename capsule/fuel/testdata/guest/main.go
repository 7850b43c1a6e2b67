// Command guest exercises what a Go program compiled to WebAssembly does:
// goroutines, maps, the garbage collector, hashing, formatting, and functions
// that a host calls.
package main

import (
	"crypto/sha256"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	for i := range 5 {
		os.Stdout.WriteString(strconv.Itoa(int(Work(uint32(i)*1000))) + "\n")
	}
	if len(os.Args) > 1 {
		for {
		}
	}
}

// Work computes something that depends on all of it.
//
//go:wasmexport work
func Work(seed uint32) uint32 {
	words := make(map[string]int)
	for i := range seed%1000 + 1000 {
		words[strconv.Itoa(int(i*seed))]++
	}
	results := make(chan uint32, 4)
	for part := range 4 {
		go func() {
			var keys []string
			for w := range words {
				if len(w)%4 == part {
					keys = append(keys, w)
				}
			}
			slices.Sort(keys)
			sum := sha256.Sum256([]byte(strings.Join(keys, ",")))
			results <- uint32(sum[0])<<8 | uint32(sum[1])
		}()
	}
	var total uint32
	for range 4 {
		total += <-results
	}
	return total
}
