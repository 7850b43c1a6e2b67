package native

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"phios/capsule"
	"phios/platform/host/jail"
)

// workFolder is where a program finds its own files.
const workFolder = "/capsule"

// systemPath is where programs are looked for first, and what they find in
// PATH.
const systemPath = "/usr/local/bin:/usr/bin:/bin"

// systemFolders are the system's programs and libraries.
func systemFolders() []jail.Bind {
	var list []jail.Bind
	for _, folder := range []string{
		"/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc/alternatives", "/etc/ld.so.cache",
	} {
		list = append(list, jail.Bind{From: folder, Optional: true})
	}
	return list
}

// resolve finds the program of a command. It returns its path in the jail and
// the folders that must be shown besides the system's.
func resolve(spec *capsule.Spec) (string, []jail.Bind, error) {
	var folders []jail.Bind
	if spec.Folder != "" {
		if err := readable(spec.Folder); err != nil {
			return "", nil, err
		}
		absolute, err := filepath.Abs(spec.Folder)
		if err != nil {
			return "", nil, fmt.Errorf("folder %s: %w", spec.Folder, err)
		}
		folders = append(folders, jail.Bind{From: absolute, To: workFolder})
	}
	name := spec.Command[0]
	switch {
	case filepath.IsAbs(name):
		return installed(filepath.Clean(name), folders)
	case strings.ContainsRune(name, '/'):
		if !filepath.IsLocal(name) || spec.Folder == "" {
			return "", nil, fmt.Errorf("command %s: a path without / at its start lies in the capsule's folder", name)
		}
		return filepath.Join(workFolder, name), folders, nil
	}
	places := append(filepath.SplitList(systemPath), filepath.SplitList(os.Getenv("PATH"))...)
	for _, place := range places {
		if program := filepath.Join(place, name); filepath.IsAbs(place) && executable(program) {
			return installed(program, folders)
		}
	}
	return "", nil, fmt.Errorf("command %s: no such program in %s or the node's PATH: install it, or give its absolute path", name, systemPath)
}

// installed adds what a program needs that lies outside the system's folders:
// itself, and the libraries that lie beside it in its own prefix.
func installed(program string, folders []jail.Bind) (string, []jail.Bind, error) {
	inSystem := func(name string) bool {
		return slices.ContainsFunc(systemFolders(), func(b jail.Bind) bool { return strings.HasPrefix(name, b.From+"/") })
	}
	if inSystem(program) {
		return program, folders, nil
	}
	found, err := filepath.EvalSymlinks(program)
	if err != nil {
		return "", nil, fmt.Errorf("command %s: %w", program, err)
	}
	if inSystem(found) {
		return found, folders, nil
	}
	folders = append(folders, jail.Bind{From: found})
	if bin := filepath.Dir(found); filepath.Base(bin) == "bin" {
		for _, beside := range []string{"lib", "lib64"} {
			folders = append(folders, jail.Bind{From: filepath.Join(filepath.Dir(bin), beside), Optional: true})
		}
	}
	return found, folders, nil
}

// executable reports whether a file is a program and not a script: what
// version managers put into PATH are scripts, which look for the program with
// all of the node's files in sight.
func executable(name string) bool {
	stat, err := os.Stat(name) //nolint:gosec // G703: the places are the node's own PATH
	if err != nil || !stat.Mode().IsRegular() || stat.Mode()&0o111 == 0 {
		return false
	}
	file, err := os.Open(name) //nolint:gosec // G304, G703: the places are the node's own PATH
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // only read
	var head [2]byte
	n, err := file.Read(head[:])
	return err == nil && !bytes.Equal(head[:n], []byte("#!"))
}

// readable finds out whether nobody may read a folder: that is who native
// programs are when the node is root.
func readable(folder string) error {
	stat, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("its folder: %w", err)
	}
	if !stat.IsDir() {
		return fmt.Errorf("its folder %s is a file", folder)
	}
	if os.Geteuid() == 0 && stat.Mode()&0o005 != 0o005 {
		return fmt.Errorf("its folder %s is not for everyone, and it runs as nobody: chmod o+rx %s", folder, folder)
	}
	return nil
}
