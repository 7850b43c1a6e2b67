package main

import (
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"phios/capsule/manifest"
)

// signature is what 'phi sign' says.
type signature struct {
	Key       string `json:"key"`
	KeyFile   string `json:"keyFile,omitempty"`
	Capsule   string `json:"capsule,omitempty"`
	Hash      string `json:"hash,omitempty"`
	Signature string `json:"signature,omitempty"`
}

func newSign() *cobra.Command {
	keyFile, fresh, asJSON := "", "", false
	c := &cobra.Command{
		Use:   "sign [DIR|FILE]",
		Short: "Sign a capsule, or make a key to sign with",
		Long: `Signs a capsule with an Ed25519 key: its manifest, and every file that it needs.
The signature is put beside the manifest, and 'phi install --key' checks whose it
is.

--new-key makes a key in a new file that only you can read, and prints its public
half. Keep the file; whoever has it signs in your name.`,
		Example: "  phi sign --new-key ~/.phi-key\n  phi sign ./greeter --key ~/.phi-key",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, arguments []string) error {
			if fresh == "" && (len(arguments) == 0 || keyFile == "") {
				return errors.New("say which capsule to sign and with which --key, or --new-key FILE to make one")
			}
			return does(func(c *cobra.Command, arguments []string) error {
				s, err := signAll(arguments, keyFile, fresh)
				if err != nil {
					return err
				}
				return (&nodeOptions{asJSON: asJSON}).show(c, s, func(w io.Writer) {
					if s.KeyFile != "" {
						say(w, "%s holds a new key; its public half is\n%s\n", s.KeyFile, s.Key)
					}
					if s.Signature != "" {
						say(w, "%s is signed in %s by\n%s\n", s.Capsule, s.Signature, s.Key)
					}
				})
			})(c, arguments)
		},
	}
	c.Flags().StringVar(&keyFile, "key", "", "the file with the private key")
	c.Flags().StringVar(&fresh, "new-key", "", "make a key in this file")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.MarkFlagsMutuallyExclusive("key", "new-key")
	return c
}

// signAll makes a key when that was asked for, and signs a capsule when one was
// named.
func signAll(arguments []string, keyFile, fresh string) (signature, error) {
	key, err := keyFor(keyFile, fresh)
	if err != nil {
		return signature{}, err
	}
	s := signature{Key: manifest.Signer(key), KeyFile: fresh}
	if len(arguments) == 0 {
		return s, nil
	}
	folder, err := manifest.LoadUnsigned(arguments[0])
	if err != nil {
		return s, err
	}
	s.Capsule, s.Hash = folder.Manifest.Name, digestText(manifest.Hash(folder.Text, folder.Files))
	s.Signature = filepath.Join(folder.Path, filepath.Base(folder.Manifest.File)+".sig")
	return s, os.WriteFile(s.Signature, manifest.Sign(key, folder.Text, folder.Files), 0o644) //nolint:gosec // G306: it is for all to read
}

// keyFor reads the key of a file, or makes one in a new file.
func keyFor(file, fresh string) (ed25519.PrivateKey, error) {
	if fresh == "" {
		const keyBytesMax = 4096
		text, err := readFile(file, keyBytesMax)
		if err != nil {
			return nil, err
		}
		return manifest.ParseKey(text)
	}
	key, err := manifest.NewKey()
	if err != nil {
		return nil, err
	}
	to, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // G304: the user says which file
	if err != nil {
		return nil, err
	}
	_, err = to.Write(manifest.EncodeKey(key))
	return key, errors.Join(err, to.Close())
}
