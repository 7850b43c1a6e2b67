package manifest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// DigestBytes is the length of a digest: SHA-256.
const DigestBytes = sha256.Size

// Digest is the SHA-256 of some bytes.
type Digest [DigestBytes]byte

// File is one of the files that a capsule needs beside its manifest.
type File struct {
	// Name is its path in the capsule's folder, with slashes.
	Name string
	// Size is its length in bytes.
	Size int64
	// Executable is kept; nothing else of the mode is.
	Executable bool
	// Digest is that of its bytes.
	Digest Digest
}

// Folder is a capsule as it lies on disk.
type Folder struct {
	// Path is the folder's.
	Path string
	// Manifest is what its capsule.yaml says, Text how.
	Manifest *Manifest
	Text     []byte
	// Files are what the manifest's image or command needs, by name.
	Files []File
	// Signature is what lies in its capsule.yaml.sig, nil without one. When it
	// is there it is good, and Manifest.Signer says whose it is.
	Signature []byte
}

// Load reads a capsule from its folder, or from its manifest with whatever
// name. A module's folder needs only the module; of a native capsule's all files
// are taken but hidden ones and Python's caches. Links are refused: what they
// point to is not part of the folder. A signature that does not fit is an
// error.
func Load(name string) (*Folder, error) {
	f, err := LoadUnsigned(name)
	if err != nil || f.Signature == nil {
		return f, err
	}
	f.Manifest.Signer, err = Verify(f.Signature, f.Text, f.Files)
	return f, err
}

// LoadUnsigned is Load for whoever is about to sign: whether the signature that
// is there fits is not asked, and Manifest.Signer is empty.
func LoadUnsigned(name string) (*Folder, error) {
	folder, file := filepath.Split(name)
	if info, err := os.Stat(name); err != nil {
		return nil, fmt.Errorf("%w: name a capsule's folder, or its %s", err, FileName)
	} else if info.IsDir() {
		folder, file = name, FileName
	}
	root, err := os.OpenRoot(filepath.Clean(folder + "/"))
	if folder == "" {
		root, err = os.OpenRoot(".")
	}
	if err != nil {
		return nil, fmt.Errorf("open the capsule's folder: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing was written
	f := &Folder{Path: root.Name()}
	if f.Text, err = readAll(root, file, BytesMax); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s: make a capsule with 'phi new', or name another folder", f.Path, file)
	} else if err != nil {
		return nil, err
	}
	if f.Manifest, err = Parse(filepath.Join(f.Path, file), f.Text); err != nil {
		return nil, err
	}
	if err := f.list(root, file); err != nil {
		return nil, err
	}
	f.Signature, err = readAll(root, file+".sig", SignatureBytesMax)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	return f, err
}

// Open opens one of the files for reading; the caller closes it.
func (f *Folder) Open(name string) (io.ReadCloser, error) {
	file, err := os.OpenInRoot(f.Path, filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("read the capsule: %w", err)
	}
	return file, nil
}

// list fills Files.
func (f *Folder) list(root *os.Root, manifest string) error {
	if f.Manifest.Image != "" {
		err := f.add(root, f.Manifest.Image)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: image: %s is not there: build it first", f.Manifest.File, f.Manifest.Image)
		}
		return err
	}
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case name == ".", name == manifest, name == manifest+".sig":
			return nil
		case strings.HasPrefix(base, ".") || base == "__pycache__":
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		default:
			return f.add(root, name)
		}
	})
	if err != nil {
		return fmt.Errorf("list the capsule's files: %w", err)
	}
	return nil
}

// add notes one file with its digest.
func (f *Folder) add(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return fmt.Errorf("read the capsule: %w", err)
	}
	total := info.Size()
	for _, other := range f.Files {
		total += other.Size
	}
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file: put a copy of what it stands for in its place", filepath.Join(f.Path, name))
	case len(f.Files) == FilesMax:
		return fmt.Errorf("%s has more than %d files: take out what the capsule does not need", f.Path, FilesMax)
	case total > FileBytesMax:
		return fmt.Errorf("%s has more than %d MiB of files: take out what the capsule does not need, or grant it a folder", f.Path, FileBytesMax>>20)
	}
	from, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("read the capsule: %w", err)
	}
	sum := sha256.New()
	size, err := io.Copy(sum, io.LimitReader(from, info.Size()))
	if err = errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("read the capsule: %w", err)
	}
	f.Files = append(f.Files, File{name, size, info.Mode()&0o111 != 0, Digest(sum.Sum(nil))})
	return nil
}

// readAll reads a file of at most limit bytes.
func readAll(root *os.Root, name string, limit int64) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the capsule: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read the capsule: %w", err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes: is it the right file?", filepath.Join(root.Name(), name), limit)
	}
	return text, nil
}
