package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// usualTable is which quantisation is taken when none is named and there are
// several, best first: a good balance, then larger, then smaller.
var usualTable = []string{"q4_k_m", "q4_k_s", "q8_0", "q5_k_m", "q6_k", "q4_0", "f16", "bf16", "f32"}

// hubFile is a file of a model on a hub, as its API lists it.
type hubFile struct {
	Type string `json:"type"`
	Path string `json:"path"`
	Size int64  `json:"size"`
	LFS  struct {
		OID string `json:"oid"` // SHA-256
	} `json:"lfs"`
}

// fromHub finds which file is meant and fetches it.
func (r *Registry) fromHub(ctx context.Context, source string, a *Adding) (at, stem string, err error) {
	if r.o.Hub == "" {
		return "", "", errors.New("no hub is set; set its address, or give the file's URL")
	}
	repository, choice, _ := strings.Cut(source, ":")
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return "", "", errors.New("give hub:OWNER/NAME, and a file or a quantisation after another colon")
	}
	where := "/" + url.PathEscape(owner) + "/" + url.PathEscape(name)
	files, err := r.hubFiles(ctx, where)
	if err != nil {
		return "", "", err
	}
	file, err := choose(files, choice)
	if err != nil {
		return "", "", err
	}
	if len(file.LFS.OID) == 64 {
		if a.Digest != "" && !strings.EqualFold(a.Digest, file.LFS.OID) {
			return "", "", fmt.Errorf("the hub's file has the SHA-256 %s and should have %s; choose another file", file.LFS.OID, a.Digest)
		}
		a.Digest = file.LFS.OID
	}
	parts := strings.Split(file.Path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	at, _, err = r.fromURL(ctx, strings.TrimRight(r.o.Hub, "/")+where+"/resolve/main/"+strings.Join(parts, "/"), a)
	return at, path.Base(file.Path), err
}

// hubFiles lists a model's files.
func (r *Registry) hubFiles(ctx context.Context, where string) ([]hubFile, error) {
	address := strings.TrimRight(r.o.Hub, "/") + "/api/models" + where + "/tree/main?recursive=true"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := r.o.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the hub answers %s; check the name, and whether the model is public", answer.Status)
	}
	var files []hubFile
	if err := json.NewDecoder(io.LimitReader(answer.Body, hubAnswerBytes)).Decode(&files); err != nil {
		return nil, fmt.Errorf("read the hub's list of files: %w; try again later", err)
	}
	return files, nil
}

// choose finds the file that is meant by a name or a quantisation.
func choose(files []hubFile, choice string) (hubFile, error) {
	var have []hubFile
	for _, f := range files {
		if f.Type == "file" && strings.HasSuffix(strings.ToLower(f.Path), ".gguf") {
			have = append(have, f)
		}
	}
	var names []string
	for _, f := range have {
		if f.Path == choice || choice != "" && path.Base(f.Path) == choice {
			return whole(f)
		}
		names = append(names, path.Base(f.Path))
	}
	list := strings.Join(names[:min(len(names), 20)], ", ")
	switch {
	case len(have) == 0:
		return hubFile{}, errors.New("it has no GGUF file; choose a model that has one, such as its GGUF conversion")
	case choice != "":
		found := byQuantisation(have, choice)
		if len(found) != 1 {
			return hubFile{}, fmt.Errorf("%d files are called %q; name one of %s", len(found), choice, list)
		}
		return whole(found[0])
	case len(have) == 1:
		return whole(have[0])
	}
	for _, q := range usualTable {
		if found := byQuantisation(have, q); len(found) == 1 {
			return whole(found[0])
		}
	}
	return hubFile{}, fmt.Errorf("it has %d files; name one of %s", len(have), list)
}

// byQuantisation finds files with a quantisation as a word of their name.
func byQuantisation(files []hubFile, q string) []hubFile {
	return slices.DeleteFunc(slices.Clone(files), func(f hubFile) bool {
		words := strings.FieldsFunc(strings.TrimSuffix(strings.ToLower(path.Base(f.Path)), ".gguf"),
			func(c rune) bool { return c == '-' || c == '.' })
		return !slices.Contains(words, strings.ToLower(q))
	})
}

// whole refuses a part of a model that was split into several files.
func whole(f hubFile) (hubFile, error) {
	if strings.Contains(f.Path, "-of-0") {
		return hubFile{}, fmt.Errorf("%s is a part of a model in several files; choose one that is whole, or join them with llama-gguf-split", f.Path)
	}
	return f, nil
}
