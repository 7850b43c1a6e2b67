package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
	"phios/capsule/manifest"
)

func newInstall() *cobra.Command {
	var o nodeOptions
	keys, signed := []string{}, false
	c := o.asks(&cobra.Command{
		Use:   "install DIR|FILE",
		Short: "Check and compile a capsule, and keep it on the node",
		Long: `Reads the capsule in a folder, or whose manifest is FILE, checks it and brings it
to the node, which compiles it and keeps it by its name. Nothing is granted and
nothing runs yet.

A capsule that is signed must be as it was signed. --require-signature refuses
one that is not signed, --key one that was signed by nobody of those named.`,
		Example: "  phi install ./greeter\n  phi install ./greeter --key 5f2c... --require-signature",
		Args:    cobra.ExactArgs(1),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		folder, err := loadCapsule(arguments[0], keys, signed)
		if err != nil {
			return err
		}
		image, err := installFolder(c, node, folder)
		if err != nil {
			return err
		}
		return o.show(c, image, func(w io.Writer) {
			say(w, "%s is installed (%s, %s, %s)\n", image.Name, image.Tier, short(image.Hash), size(uint64(max(image.Size, 0))))
			for _, q := range image.Requests {
				say(w, "  asks for %s: %s\n", requestText(q), printable(q.Reason))
			}
		})
	})
	c.Flags().StringSliceVar(&keys, "key", nil, "public key of a signer to trust, as 'phi sign' prints it; can be repeated")
	c.Flags().BoolVar(&signed, "require-signature", false, "refuse a capsule that is not signed")
	return c
}

// requestText names what is asked for.
func requestText(q control.Request) string {
	text := q.Name
	if q.Kind != q.Name {
		text += " (" + q.Kind
		if q.Of != "" {
			text += " of " + q.Of
		}
		text += ")"
	}
	return printable(text)
}

// loadCapsule reads a capsule whose signature is as it must be.
func loadCapsule(name string, keys []string, signed bool) (*manifest.Folder, error) { //nolint:revive // flag-parameter: what the user said
	folder, err := manifest.Load(name)
	if err != nil {
		return nil, err
	}
	signer := folder.Manifest.Signer
	if signer == "" {
		if signed || len(keys) > 0 {
			return nil, fmt.Errorf("%s is not signed: sign it with 'phi sign', or install it without --key and --require-signature", folder.Manifest.Name)
		}
		return folder, nil
	}
	for _, key := range keys {
		trusted, err := manifest.ParseSigner(key)
		if err != nil {
			return nil, err
		}
		if trusted == signer {
			return folder, nil
		}
	}
	if len(keys) > 0 {
		return nil, fmt.Errorf("%s is signed by %s, whom no --key names: trust that key, or get the capsule from somebody whom you trust", folder.Manifest.Name, signer)
	}
	return folder, nil
}

// install brings a capsule of this machine to the node.
func install(c *cobra.Command, node *control.Client, name string) (control.Image, error) {
	folder, err := manifest.Load(name)
	if err != nil {
		return control.Image{}, err
	}
	return installFolder(c, node, folder)
}

// installFolder brings a capsule to the node and shows how far it is to who
// looks.
func installFolder(c *cobra.Command, node *control.Client, folder *manifest.Folder) (control.Image, error) {
	r := control.InstallRequest{Manifest: string(folder.Text), ManifestName: folder.Manifest.File}
	for _, f := range folder.Files {
		r.Files = append(r.Files, control.File{Name: f.Name, Size: f.Size, Executable: f.Executable})
	}
	content := func(f control.File) (io.ReadCloser, error) { return folder.Open(f.Name) }
	if folder.Signature != nil {
		r.Files = append(r.Files, control.File{Name: manifest.SignatureName, Size: int64(len(folder.Signature))})
		content = func(f control.File) (io.ReadCloser, error) {
			if f.Name == manifest.SignatureName {
				return io.NopCloser(bytes.NewReader(folder.Signature)), nil
			}
			return folder.Open(f.Name)
		}
	}
	problems := c.ErrOrStderr()
	var show func(control.InstallProgress)
	if terminal(problems) {
		p := progress{w: problems, name: folder.Manifest.Name, begun: time.Now()}
		defer p.clear()
		show = p.show
	}
	image, err := node.Install(c.Context(), r, content, show)
	return image, manifestProblem(err)
}

// manifestProblem leaves out the remedy of an error about a manifest that says
// on each line what to do.
func manifestProblem(err error) error {
	var refused *control.Error
	if errors.As(err, &refused) && refused.Code == control.CodeManifest && strings.Contains(refused.Message, ".yaml:") {
		return &control.Error{Code: refused.Code, Message: refused.Message}
	}
	return err
}

// progress is a line on a terminal that says how far long work is.
type progress struct {
	w     io.Writer
	name  string
	begun time.Time
	shown bool
}

// progressAfter is how long work takes before it is worth a line.
const progressAfter = 200 * time.Millisecond

func (p *progress) show(now control.InstallProgress) {
	if time.Since(p.begun) < progressAfter {
		return
	}
	p.shown = true
	stage := map[string]string{"receive": "sending", "check": "checking", "compile": "compiling", "keep": "keeping"}[now.Stage]
	text := fmt.Sprintf("%s: %s", p.name, stage)
	if now.Total > 0 && now.Done > 0 {
		const width = 30
		filled := int(min(now.Done, now.Total) * width / now.Total)
		text += fmt.Sprintf(" [%s%s] %s of %s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled),
			size(uint64(now.Done)), size(uint64(now.Total)))
	}
	say(p.w, "\r\x1b[K%s", text)
}

// clear takes the line away.
func (p *progress) clear() {
	if p.shown {
		say(p.w, "\r\x1b[K")
	}
}

// installed returns the image that a word of the command line means: of a
// folder or a manifest's file, which is installed first, or by its name. A name
// wins over a folder that is called the same; write ./NAME for that.
func installed(c *cobra.Command, node *control.Client, word string) (control.Image, error) {
	if !isPath(word) {
		images, err := node.Images(c.Context())
		if err != nil {
			return control.Image{}, err
		}
		for _, image := range images {
			if image.Name == word {
				if _, err := os.Stat(filepath.Join(word, manifest.FileName)); err == nil {
					say(c.ErrOrStderr(), "%s as it is installed; write ./%s for what lies in the folder\n", word, word)
				}
				return image, nil
			}
		}
	}
	if _, err := os.Stat(word); err != nil {
		if isPath(word) {
			return control.Image{}, fmt.Errorf("%w: name a capsule's folder", err)
		}
		return control.Image{}, fmt.Errorf("%s is not installed, and no folder here is called so: 'phi images' lists what is installed", printable(word))
	}
	return install(c, node, word)
}

// isPath reports whether a word can only be a path.
func isPath(word string) bool {
	return strings.ContainsRune(word, filepath.Separator) || strings.HasPrefix(word, ".")
}

// digestText writes a digest as people compare them.
func digestText(d manifest.Digest) string { return hex.EncodeToString(d[:]) }

// absolute makes a grant of a folder one by its whole path, which is what the
// node, in another working folder, understands.
func absolute(g control.Grant, path string) (control.Grant, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return g, err
	}
	g.Spec = "folder:" + whole
	return g, nil
}

// settled waits until a capsule serves, or has ended and is not started again.
func settled(ctx context.Context, node *control.Client, name string) (control.Inspection, error) {
	const pause = 20 * time.Millisecond
	for {
		one, err := node.Inspect(ctx, name)
		if err != nil || one.State != control.StateStarting && one.State != control.StateWaiting {
			return one, err
		}
		select {
		case <-ctx.Done():
			return one, ctx.Err()
		case <-time.After(pause):
		}
	}
}
