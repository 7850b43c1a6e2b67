package capsules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"phios/api/control"
	"phios/capsule"
	"phios/capsule/manifest"
)

// manifestName is the file of an image's folder that holds its manifest, in a
// place where no file of the capsule's own can be.
const (
	manifestName = "manifest.yaml"
	filesName    = "files"
)

// filesMode lets a jailed program, which runs as nobody, read its own files.
// The data folder around them is its owner's alone.
const filesMode = 0o755

// image is a capsule that is installed. It is not changed.
type image struct {
	manifest *manifest.Manifest
	// module is the code of a wasm capsule, folder the files of any.
	module    []byte
	folder    string
	hash      string
	size      int64
	installed time.Time
}

// Install receives a capsule: its files come one behind the other in body. It
// is there whole or not at all, also when the machine stops.
func (m *Manager) Install(r control.InstallRequest, body io.Reader, progress func(control.InstallProgress)) (control.Image, error) {
	if len(r.Manifest) > control.ManifestBytesMax {
		return control.Image{}, badRequest("the manifest is too long", "leave comments out")
	}
	name := r.ManifestName
	if name == "" {
		name = manifestName
	}
	man, err := manifest.Parse(name, []byte(r.Manifest))
	if err != nil {
		return control.Image{}, &control.Error{Code: control.CodeManifest, Message: err.Error(), Remedy: "correct the manifest"}
	}
	hash, size, err := m.store.receive(r, body, progress)
	if err != nil {
		return control.Image{}, err
	}
	img, err := m.store.image(hash)
	if err != nil {
		return control.Image{}, &control.Error{Code: control.CodeImage, Message: err.Error(), Remedy: "send the files that the manifest names, as they were signed"}
	}
	tier, ok := m.tiers.ByName[man.Tier]
	if !ok {
		return control.Image{}, &control.Error{Code: control.CodeManifest, Message: "this node has no tier " + man.Tier, Remedy: "'phi info' lists those that it has"}
	}
	if c, ok := tier.(Checker); ok {
		progress(control.InstallProgress{Stage: "compile", Total: size})
		if err := c.Check(img.module); err != nil {
			return control.Image{}, &control.Error{Code: control.CodeImage, Message: err.Error(), Remedy: "build it for wasip1, as its SDK's template does"}
		}
	}
	progress(control.InstallProgress{Stage: "keep", Total: size})
	img.installed = m.config.Wall()
	if err := m.store.add(img); err != nil {
		return control.Image{}, err
	}
	return img.view(), m.save()
}

// receive writes a capsule's files into a folder of their own, named by their
// hash.
func (s *store) receive(r control.InstallRequest, body io.Reader, progress func(control.InstallProgress)) (hash string, size int64, err error) {
	if err := checkFiles(r.Files); err != nil {
		return "", 0, err
	}
	temporary, err := os.MkdirTemp(filepath.Join(s.folder, imagesName), ".new-")
	if err != nil {
		return "", 0, machine("make a folder for the image", err)
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // it was renamed, or is given up
	files := filepath.Join(temporary, filesName)
	if err := os.Mkdir(files, filesMode); err != nil {
		return "", 0, machine("make a folder for the image", err)
	}
	if err := writeFile(filepath.Join(temporary, manifestName), []byte(r.Manifest)); err != nil {
		return "", 0, machine("keep the manifest", err)
	}
	total := int64(0)
	for _, f := range r.Files {
		total += f.Size
	}
	for _, f := range r.Files {
		if err := receiveFile(files, f, body); err != nil {
			return "", 0, err
		}
		size += f.Size
		progress(control.InstallProgress{Stage: "receive", Done: size, Total: total})
	}
	if n, err := io.ReadFull(body, make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return "", 0, badRequest("there is more than the files that were announced", "send their sizes as they are")
	}
	if hash, _, err = hashFolder(temporary); err != nil {
		return "", 0, err
	}
	return hash, size, keepFolder(temporary, filepath.Join(s.folder, imagesName, hash))
}

// checkFiles checks what was announced of files.
func checkFiles(list []control.File) error {
	total := int64(0)
	if len(list) > control.FilesMax {
		return badRequest("a capsule has at most "+strconv.Itoa(control.FilesMax)+" files", "pack them into fewer")
	}
	for _, f := range list {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) || f.Size < 0 {
			return badRequest("the file "+strconv.Quote(f.Name)+" is not in the capsule's own folder", "name files relative to the manifest")
		}
		if total += f.Size; total > control.FilesBytesMax || total < 0 {
			return badRequest("the files are larger than "+strconv.Itoa(control.FilesBytesMax>>20)+" MiB", "leave out what it does not need")
		}
	}
	return nil
}

// receiveFile writes one file.
func receiveFile(folder string, f control.File, body io.Reader) error {
	path := filepath.Join(folder, filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(path), filesMode); err != nil {
		return machine("keep "+f.Name, err)
	}
	mode := os.FileMode(0o644)
	if f.Executable {
		mode = filesMode
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // G304: checkFiles found it local
	if err != nil {
		return machine("keep "+f.Name, err)
	}
	n, err := io.CopyN(file, body, f.Size)
	if err != nil && n < f.Size {
		_ = file.Close()
		return badRequest(f.Name+" ended early: "+err.Error(), "send it again")
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return machine("keep "+f.Name, err)
	}
	return nil
}

// keepFolder renames a folder to where it stays. One that is there already is
// the same.
func keepFolder(from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.Rename(from, to); err != nil {
		return machine("keep the image", err)
	}
	if err := syncFolder(filepath.Dir(to)); err != nil {
		return machine("keep the image", err)
	}
	return nil
}

// hashFolder returns the hash over a folder's files: their names, modes,
// lengths and bytes.
func hashFolder(folder string) (hash string, size int64, err error) {
	h := sha256.New()
	err = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(h, "%q %v %d\n", filepath.ToSlash(name), info.Mode()&0o100 != 0, info.Size())
		file, err := os.Open(path) //nolint:gosec // G304, G122: the folder is nobody's but the node's
		if err != nil {
			return err
		}
		_, err = io.Copy(h, file)
		size += info.Size()
		return errors.Join(err, file.Close())
	})
	if err != nil {
		return "", 0, machine("read the image", err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// image reads an installed image, and checks that it is what it was.
func (s *store) image(hash string) (*image, error) {
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size {
		return nil, errors.New("its hash is none")
	}
	folder := filepath.Join(s.folder, imagesName, hash)
	found, _, err := hashFolder(folder)
	if err != nil {
		return nil, err
	}
	if found != hash {
		return nil, errors.New("its files were changed")
	}
	text, err := os.ReadFile(filepath.Join(folder, manifestName)) //nolint:gosec // G304: it is named by a checked hash
	if err != nil {
		return nil, fmt.Errorf("read its manifest: %w", err)
	}
	man, err := manifest.Parse(manifestName, text)
	if err != nil {
		return nil, fmt.Errorf("read its manifest: %w", err)
	}
	img := &image{manifest: man, folder: filepath.Join(folder, filesName), hash: hash}
	if _, img.size, err = hashFolder(img.folder); err != nil {
		return nil, err
	}
	if man.Signer, err = signer(img.folder, text); err != nil {
		return nil, err
	}
	if man.Tier != capsule.TierNative {
		if img.module, err = os.ReadFile(filepath.Join(img.folder, filepath.FromSlash(man.Image))); err != nil { //nolint:gosec // G703: the manifest was checked, its image is local
			return nil, fmt.Errorf("read its image %s: %w", man.Image, err)
		}
	}
	return img, nil
}

// view is the image as people see it.
func (i *image) view() control.Image {
	return control.Image{
		Name: i.manifest.Name, Purpose: i.manifest.Purpose, Tier: i.manifest.Tier, Hash: i.hash, Size: i.size,
		Signer: i.manifest.Signer, Installed: i.installed, Requests: i.requests(),
	}
}

func (i *image) requests() []control.Request {
	list := make([]control.Request, 0, len(i.manifest.Requests))
	for _, r := range i.manifest.Requests {
		list = append(list, control.Request{Name: r.Name, Kind: r.Kind, Of: r.Of, Rights: control.RightsOf(r.Rights), Reason: r.Reason})
	}
	return list
}

// machine is an error of the machine's.
func machine(what string, err error) error {
	return &control.Error{Code: control.CodeMachine, Message: what + ": " + err.Error(), Remedy: "look at the disk and the data folder"}
}

// writeFile writes a file so that the old or the new one is there whole.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it was renamed, or is given up
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder lets a renaming last.
func syncFolder(path string) error {
	d, err := os.Open(path) //nolint:gosec // G304: it lies in the data folder
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
