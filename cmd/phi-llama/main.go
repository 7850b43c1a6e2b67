// Command phi-llama runs llama.cpp for the llama unit of phi, which starts it:
// it has nothing to say to anyone else. One process runs one model, so that a
// file that brings it down, brings down nothing else, and unloading is the end
// of the process.
//
// It is a module of its own, for phi is one static file and this is not: it
// loads llama.cpp's shared libraries at run time, by way of libffi.so.8.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/hybridgroup/yzma/pkg/llama"

	"phios/compute/llama/wire"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "phi-llama is started by phi: see 'phi unit add llama'")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "phi-llama:", err)
		os.Exit(1)
	}
}

// run serves until phi goes away.
func run(folder string) error {
	socket := os.NewFile(wire.SocketDescriptor, "socket")
	bulk, err := syscall.Mmap(wire.BulkDescriptor, 0, wire.BulkBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the shared memory of phi: %w", err)
	}
	// llama.cpp is called from one thread: some of its backends care.
	runtime.LockOSThread()
	library, err := load(folder)
	if err != nil {
		return err
	}
	return (&server{library: library, bulk: bulk}).serve(socket)
}

// load loads the libraries of a folder and returns the name of the main one.
func load(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	main, err := newest(folder, "llama")
	if err != nil {
		return "", err
	}
	if err := loadFrom(folder); err != nil {
		return "", fmt.Errorf("load %s: %w; it needs the libraries of llama.cpp v0.5.0, such as those of the npm package "+
			"@node-llama-cpp/linux-x64@3.22.1, and libffi.so.8 of the system (Debian: libffi8)", main, err)
	}
	llama.BackendInit()
	return filepath.Base(main), llama.GGMLBackendLoadAllFromPath(folder)
}

// loadFrom calls the loader on a folder whose libraries have their short
// names. Packages have them with a version and without the links that an
// installation makes, so the links are made, for as long as loading takes.
func loadFrom(folder string) error {
	links, err := os.MkdirTemp("", "phi-llama-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(links)
	all, err := filepath.Glob(filepath.Join(folder, "*.so*"))
	if err != nil {
		return err
	}
	for _, file := range all {
		if err := os.Symlink(file, filepath.Join(links, filepath.Base(file))); err != nil {
			return err
		}
	}
	for _, name := range []string{"llama", "ggml", "ggml-base"} {
		file, err := newest(folder, name)
		if err != nil {
			return err
		}
		link := filepath.Join(links, "lib"+name+".so")
		if _, err := os.Lstat(link); err == nil {
			continue
		}
		if err := os.Symlink(file, link); err != nil {
			return err
		}
	}
	return llama.Load(links)
}

// newest finds a library, with a version in its name or without.
func newest(folder, name string) (string, error) {
	plain := filepath.Join(folder, "lib"+name+".so")
	if _, err := os.Stat(plain); err == nil {
		return plain, nil
	}
	found := []string{}
	for _, pattern := range []string{"lib" + name + ".v*.so", "lib" + name + ".so.*"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return "", err
		}
		found = append(found, files...)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("no lib%s.so in %s; point the setting lib at the folder of llama.cpp's shared libraries", name, folder)
	}
	return found[len(found)-1], nil
}

// greeting says what can be used.
func (s *server) greeting() *wire.Greeting {
	g := &wire.Greeting{Version: wire.Version, Library: s.library}
	for i := range min(llama.GGMLBackendDeviceCount(), wire.DevicesMax) {
		d := llama.GGMLBackendDeviceGet(i)
		_, total := llama.GGMLBackendDeviceMemory(d)
		device := wire.Device{
			Name: llama.GGMLBackendDeviceName(d), Description: strings.TrimSpace(llama.GGMLBackendDeviceDescription(d)), MemoryBytes: total,
		}
		switch llama.GGMLBackendDevType(d) {
		case llama.GGMLBackendDeviceTypeGPU:
			device.Kind = wire.DeviceGPU
		case llama.GGMLBackendDeviceTypeIGPU:
			device.Kind = wire.DeviceIntegrated
		case llama.GGMLBackendDeviceTypeACCEL:
			device.Kind = wire.DeviceAccelerator
		}
		g.Devices = append(g.Devices, device)
	}
	return g
}
