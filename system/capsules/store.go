package capsules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"phios/api/control"
)

// The files of a data folder.
const (
	stateName  = "state.json"
	imagesName = "images"
	brokenName = "state.broken"
	stateMax   = 64 << 20 // bytes of a state file
)

// store keeps what outlives the node: the images, and what runs.
type store struct {
	folder string
	gone   bool // the folder goes with the store

	mu     sync.Mutex
	images map[string]*image // guarded by mu: by name
	found  state             // what was there at the start
	broken string            // what was wrong with it, for people
}

// state is what the state file says.
type state struct {
	Images   []savedImage   `json:"images"`
	Capsules []savedCapsule `json:"capsules"`
}

type savedImage struct {
	Name      string    `json:"name"`
	Hash      string    `json:"hash"`
	Installed time.Time `json:"installed"`
}

// savedCapsule is one that runs, with what was granted for good.
type savedCapsule struct {
	Name    string          `json:"name"`
	Hash    string          `json:"hash"`
	Options options         `json:"options"`
	Grants  []control.Grant `json:"grants"`
}

// sealed is the state file: the state's own bytes, and their hash.
type sealed struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	State   json.RawMessage `json:"state"`
}

// openStore reads what is in a data folder, and makes it when there is none.
//
// A state file that is not in order is kept under another name and told of:
// the node comes up with the images and without capsules, rather than not at
// all or with half of them.
func openStore(folder string) (*store, error) {
	s := &store{folder: folder, images: map[string]*image{}}
	if folder == "" {
		made, err := os.MkdirTemp("", "phi-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for images: %w", err)
		}
		s.folder, s.gone = made, true
	}
	if err := os.MkdirAll(filepath.Join(s.folder, imagesName), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if err := os.Chmod(s.folder, 0o700); err != nil { //nolint:gosec // G302: a folder is entered
		return nil, fmt.Errorf("close the data folder to others: %w", err)
	}
	path := filepath.Join(s.folder, stateName)
	err := s.read(path)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
	default:
		kept := filepath.Join(s.folder, brokenName+"."+time.Unix(0, mtime(path)).UTC().Format("20060102T150405.000000000"))
		if renamed := os.Rename(path, kept); renamed != nil {
			return nil, fmt.Errorf("%w; and it cannot be put aside: %w", err, renamed)
		}
		s.broken = fmt.Sprintf("%v: it is kept as %s, no capsule was started: start them again with 'phi run'", err, kept)
	}
	s.load()
	return s, nil
}

func mtime(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// read reads the state file.
func (s *store) read(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	if info.Size() > stateMax {
		return fmt.Errorf("state file %s has %d bytes, more than one can have", path, info.Size())
	}
	text, err := os.ReadFile(path) //nolint:gosec // G304: it lies in the data folder
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	found, err := parseState(text)
	if err != nil {
		return fmt.Errorf("state file %s: %w", path, err)
	}
	s.found = found
	return nil
}

// parseState reads the text of a state file.
func parseState(text []byte) (state, error) {
	var outer sealed
	if err := json.Unmarshal(text, &outer); err != nil {
		return state{}, fmt.Errorf("it is torn or was changed: %w", err)
	}
	sum := sha256.Sum256(outer.State)
	if outer.Version != 1 || outer.SHA256 != hex.EncodeToString(sum[:]) {
		return state{}, errors.New("it is torn, was changed, or is another version's")
	}
	var found state
	if err := json.Unmarshal(outer.State, &found); err != nil {
		return state{}, fmt.Errorf("it was changed: %w", err)
	}
	if len(found.Images) > ImagesMax || len(found.Capsules) > CapsulesMax {
		return state{}, errors.New("it has more images or capsules than there can be")
	}
	return found, nil
}

// load reads the images that the state names. One that is not there any more,
// or is not what it was, is left out and told of.
func (s *store) load() {
	for _, saved := range s.found.Images {
		img, err := s.image(saved.Hash)
		if err != nil {
			s.broken = strings.TrimPrefix(s.broken+"; image "+saved.Name+": "+err.Error()+": install it again", "; ")
			continue
		}
		img.installed = saved.Installed
		s.images[saved.Name] = img
	}
}

// write writes the state so that the old or the new one is there whole,
// whatever happens.
func (s *store) write(capsules []savedCapsule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil
	}
	next := state{Capsules: capsules}
	for _, name := range slices.Sorted(maps.Keys(s.images)) {
		img := s.images[name]
		next.Images = append(next.Images, savedImage{Name: name, Hash: img.hash, Installed: img.installed})
	}
	inner, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	sum := sha256.Sum256(inner)
	text, err := json.Marshal(sealed{Version: 1, SHA256: hex.EncodeToString(sum[:]), State: inner})
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	if err := writeFile(filepath.Join(s.folder, stateName), text); err != nil {
		return &control.Error{Code: control.CodeMachine, Message: "keep the state: " + err.Error(), Remedy: "make room on the disk; until then a restart of the node forgets this"}
	}
	return nil
}

// named returns an installed image.
func (s *store) named(name string) (*image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	img := s.images[name]
	if img == nil {
		return nil, unknown("image", name, "install it with 'phi install'")
	}
	return img, nil
}

// all returns the installed images by name.
func (s *store) all() []*image {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*image, 0, len(s.images))
	for _, name := range slices.Sorted(maps.Keys(s.images)) {
		list = append(list, s.images[name])
	}
	return list
}

// add puts an image in the place of the one of its name.
func (s *store) add(img *image) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.images[img.manifest.Name] == nil && len(s.images) >= ImagesMax {
		return &control.Error{Code: "limit", Message: "there are as many images as there can be", Remedy: "use another data folder"}
	}
	s.images[img.manifest.Name] = img
	return nil
}

func (s *store) close() error {
	if !s.gone {
		return nil
	}
	if err := os.RemoveAll(s.folder); err != nil {
		return fmt.Errorf("remove the folder of images: %w", err)
	}
	return nil
}
