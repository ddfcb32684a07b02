package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A Secret is the server's secret. However it is printed, it is not shown.
type Secret struct {
	bytes func() []byte // a function: fmt looks into everything else
}

// secretLength is the length of a secret in bytes.
const secretLength = 32

// Key derives a key of 32 bytes for a purpose (HKDF-SHA-256, RFC 5869). The same
// purpose always gives the same key, and no key tells of another. The zero Secret,
// which was not loaded, panics; see [Secret.IsZero].
func (s Secret) Key(purpose string) []byte {
	if s.IsZero() {
		panic("auth: the zero Secret has no keys: load one with LoadSecret")
	}
	key, err := hkdf.Key(sha256.New, s.bytes(), nil, "patchsource "+purpose, 32)
	if err != nil {
		panic("auth: " + err.Error()) // of a length that is fixed
	}
	return key
}

// IsZero reports whether s is the zero Secret, which was not loaded.
func (s Secret) IsZero() bool { return s.bytes == nil }

// String keeps the secret out of logs.
func (s Secret) String() string { return "(secret)" }

// GoString keeps the secret out of logs.
func (s Secret) GoString() string { return s.String() }

// NewSecret makes a Secret of at least 32 random bytes, such as those that a vault keeps. It copies them. The same bytes
// give the same keys, also those that [LoadSecret] reads from a file. The error says that there are too few.
func NewSecret(random []byte) (Secret, error) {
	if len(random) < secretLength {
		return Secret{}, fmt.Errorf("auth: a secret needs at least %d random bytes, got %d", secretLength, len(random))
	}
	b := slices.Clone(random)
	return Secret{func() []byte { return b }}, nil
}

// LoadSecret reads the server's secret from a file: 32 bytes in hexadecimal. If
// there is no file, a secret is made and written, readable by the owner alone.
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
		return Secret{}, false, fmt.Errorf(
			"auth: %s does not hold a secret (%d bytes in hexadecimal): restore it from a backup; or remove it, and a new one is made, under which no mailed token can be asked for again",
			path,
			secretLength,
		)
	}
	return Secret{func() []byte { return b }}, created, nil
}

// An AdminToken is what [Service.LoadAdminToken] did.
type AdminToken struct {
	// Created reports whether a token was made and written to the file.
	Created bool
	// Replaced is why the token that the file held before is not used; it is [ErrRevoked]. If nil, there was none, or
	// it is used.
	Replaced error
	// Unwritten is why no other token could be written in its place: there is no administrator's token in the file that
	// is good. If nil, there is.
	Unwritten error
}

// LoadAdminToken makes the token that a file holds an administrator's. If there
// is no file, a token is made and written, readable by the owner alone; the
// tokens that the store has stay good. If the file's token was revoked, has
// expired, or was used before and is not known any more, another is made and
// written in its place; if that cannot be done, such as in a folder that can only be read, it is said in the result.
//
// The error is [ErrUnauthorized] when the file holds no token, or one that is not an administrator's, one of the file,
// or one of the store.
func (a *Service) LoadAdminToken(ctx context.Context, path string) (did AdminToken, err error) {
	// The file first: a token that only the store has would be known to nobody.
	token, created, err := loadFile(path, newToken)
	if err != nil {
		return AdminToken{}, err
	}
	did.Created = created
	err = a.Adopt(ctx, token)
	if errors.Is(err, ErrRevoked) {
		did = AdminToken{Created: true, Replaced: err}
		token = newToken()
		if err := writeFile(path, token+"\n"); err != nil {
			return AdminToken{Replaced: did.Replaced, Unwritten: err}, nil
		}
		err = a.Adopt(ctx, token)
	}
	if err != nil {
		return AdminToken{}, fmt.Errorf("auth: the token in %s: %w: put the right one there; "+
			"or remove the file, and a new one is made", path, err)
	}
	return did, nil
}

// maxFile bounds what is read of a file that holds one line.
const maxFile = 4096

// loadFile returns the one line of a file; if there is none, it is made, whole
// or not at all.
func loadFile(path string, line func() string) (text string, created bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = line()
		return text, true, writeFile(path, text+"\n")
	}
	if err != nil {
		return "", false, fmt.Errorf("auth: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", false, fmt.Errorf("auth: %s is no file of one line", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false, fmt.Errorf("auth: %w", err)
	}
	return string(bytes.TrimSpace(data)), false, nil
}

// writeFile writes a file that only its owner may read, durably, and never in
// part.
func writeFile(path, text string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("auth: %w", err)
		}
	}()
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tmp-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = cmp.Or(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
