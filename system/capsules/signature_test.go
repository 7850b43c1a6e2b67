package capsules

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"phios/api/control"
	"phios/capsule/manifest"
)

// TestSignature checks a signature where it counts, on the node: it knows who
// signed, and refuses what was changed since.
func TestSignature(t *testing.T) {
	w := newWorld(t)
	code := build(t)
	key, err := manifest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	text := manifestFor("signed")
	file := manifest.File{Name: "actor.wasm", Size: int64(len(code)), Digest: sha256.Sum256(code)}
	signature := manifest.Sign(key, []byte(text), []manifest.File{file})
	install := func(text string, code []byte) (control.Image, error) {
		r := control.InstallRequest{Manifest: text, Files: []control.File{
			{Name: "actor.wasm", Size: int64(len(code))}, {Name: manifest.SignatureName, Size: int64(len(signature))},
		}}
		return w.Install(t.Context(), r, func(f control.File) (io.ReadCloser, error) {
			if f.Name == manifest.SignatureName {
				return io.NopCloser(bytes.NewReader(signature)), nil
			}
			return io.NopCloser(bytes.NewReader(code)), nil
		}, nil)
	}
	img, err := install(text, code)
	if err != nil || img.Signer != manifest.Signer(key) {
		t.Errorf("signed by %q, %v", img.Signer, err)
	}
	_, err = install(text+"purpose: another\n", code)
	wantCode(t, err, control.CodeImage)
	_, err = install(text, append(bytes.Clone(code), 0))
	wantCode(t, err, control.CodeImage)
	if v := w.run("signed"); v.Signer != manifest.Signer(key) {
		t.Errorf("runs as signed by %q", v.Signer)
	}
}
