package auth

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// A Secret is the server's secret. No format of package fmt prints it. Make one with [LoadSecret] or [NewSecret].
type Secret struct {
	bytes func() []byte // a function, because fmt prints everything else
}

// secretLength is the length of a generated secret, and the minimum length of a given one, in bytes.
const secretLength = 32

// Key derives a key of 32 bytes for a purpose (HKDF-SHA-256, RFC 5869). The same purpose always gives the same key, and
// no key reveals anything about another one. Key panics if s is the zero Secret, which has no keys; see
// [Secret.IsZero].
func (s Secret) Key(purpose string) []byte {
	if s.IsZero() {
		panic("auth: Key of the zero Secret: make a Secret with LoadSecret or NewSecret")
	}
	key, err := hkdf.Key(sha256.New, s.bytes(), nil, "patchsource "+purpose, 32)
	if err != nil {
		panic("auth: " + err.Error()) // unreachable: the only error is a key that is too long
	}
	return key
}

// IsZero reports whether s is the zero Secret.
func (s Secret) IsZero() bool { return s.bytes == nil }

// String returns a placeholder, which keeps the secret out of logs.
func (s Secret) String() string { return "(secret)" }

// GoString returns a placeholder, which keeps the secret out of logs.
func (s Secret) GoString() string { return s.String() }

// NewSecret makes a Secret from at least 32 random bytes, such as those that a vault keeps. It copies them. The same
// bytes give the same keys, also those that [LoadSecret] reads from a file.
func NewSecret(random []byte) (Secret, error) {
	if len(random) < secretLength {
		return Secret{}, fmt.Errorf("auth: a secret needs at least %d random bytes, got %d", secretLength, len(random))
	}
	b := slices.Clone(random)
	return Secret{func() []byte { return b }}, nil
}

// LoadSecret reads the server's secret from a file: 32 bytes in hexadecimal. If the file does not exist, LoadSecret
// generates a secret and writes it, readable by the owner of the file alone.
func LoadSecret(path string) (secret Secret, created bool, err error) {
	text, created, err := loadFile(path, func() string {
		b := make([]byte, secretLength)
		_, _ = rand.Read(b) // never fails
		return hex.EncodeToString(b)
	})
	if err != nil {
		return Secret{}, false, err
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != secretLength {
		return Secret{}, false, fmt.Errorf("auth: %s does not contain a secret (%d bytes in hexadecimal): "+
			"restore it from a backup, or remove it; with a new secret, authors cannot reset tokens mailed before",
			path, secretLength)
	}
	return Secret{func() []byte { return b }}, created, nil
}
