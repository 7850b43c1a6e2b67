package manifest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What signatures and key files begin with.
const (
	signatureHead = "phi-signature-1"
	keyHead       = "phi-private-key-1"
)

// NewKey makes a key to sign with.
func NewKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// EncodeKey returns what ParseKey reads. Whoever has it can sign.
func EncodeKey(key ed25519.PrivateKey) []byte {
	return []byte(keyHead + " " + hex.EncodeToString(key.Seed()) + "\n")
}

// ParseKey reads a key from the text of its file.
func ParseKey(text []byte) (ed25519.PrivateKey, error) {
	parts := strings.Fields(string(text))
	if len(parts) == 2 && parts[0] == keyHead {
		if seed, err := hex.DecodeString(parts[1]); err == nil && len(seed) == ed25519.SeedSize {
			return ed25519.NewKeyFromSeed(seed), nil
		}
	}
	return nil, errors.New("this is no private key of phi: make one with 'phi sign --new-key FILE'")
}

// Signer returns the name of a key's public half, 64 hexadecimal digits: what
// Manifest.Signer says and 'phi install --key' takes.
func Signer(key ed25519.PrivateKey) string {
	public, _ := key.Public().(ed25519.PublicKey)
	return hex.EncodeToString(public)
}

// ParseSigner checks that a text is the name of a public key, and returns it as
// Signer would write it.
func ParseSigner(text string) (string, error) {
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return "", fmt.Errorf("%q is no public key: give the %d hexadecimal digits that 'phi sign' prints", clip(text), 2*ed25519.PublicKeySize)
	}
	return hex.EncodeToString(key), nil
}

// Hash returns the digest of a whole capsule: of its manifest's text and of all
// its files. The order of files does not matter.
func Hash(text []byte, files []File) Digest { return sha256.Sum256(signed(text, files)) }

// signed returns the bytes that a signature is for: the digest of the
// manifest, and that of the list of the files with their digests. The first
// line keeps the signature from meaning anything elsewhere. Names are quoted,
// so that no name can be taken for another line.
func signed(text []byte, files []File) []byte {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	list := sha256.New()
	for _, f := range files {
		_, _ = fmt.Fprintf(list, "%x %d %t %q\n", f.Digest, f.Size, f.Executable, f.Name)
	}
	return fmt.Appendf(nil, "phi capsule 1\nmanifest %x\nfiles %x\n", sha256.Sum256(text), list.Sum(nil))
}

// Sign returns the text of the signature of a capsule, to be put into its
// SignatureName.
func Sign(key ed25519.PrivateKey, text []byte, files []File) []byte {
	return fmt.Appendf(nil, "%s\nkey %s\nsignature %x\n", signatureHead, Signer(key), ed25519.Sign(key, signed(text, files)))
}

// Verify checks a capsule's signature and returns its signer. A good signature
// says that the holder of that key signed exactly these bytes; whether to
// trust the key is another question.
func Verify(signature, text []byte, files []File) (string, error) {
	parts := strings.Fields(string(signature))
	if len(signature) > SignatureBytesMax || len(parts) != 5 || parts[0] != signatureHead || parts[1] != "key" || parts[3] != "signature" {
		return "", fmt.Errorf("%s is no signature of phi: sign again with 'phi sign', or remove it", SignatureName)
	}
	signer, err := ParseSigner(parts[2])
	if err != nil {
		return "", fmt.Errorf("%s: %w", SignatureName, err)
	}
	key, _ := hex.DecodeString(signer)
	sum, err := hex.DecodeString(parts[4])
	if err != nil || !ed25519.Verify(key, signed(text, files), sum) {
		return "", fmt.Errorf("the signature in %s does not fit: the manifest or a file was changed after it was signed; get the capsule anew, or sign it again with 'phi sign'", SignatureName)
	}
	return signer, nil
}
