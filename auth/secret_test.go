package auth_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
)

func TestLoadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	first, created, err := auth.LoadSecret(path)
	if err != nil || !created {
		t.Fatalf("LoadSecret without a file: created %v, error %v", created, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, error %v; want mode 0600", info, err)
	}
	second, created, err := auth.LoadSecret(path)
	if err != nil || created {
		t.Errorf("LoadSecret again: created %v, error %v", created, err)
	}
	if !bytes.Equal(first.Key("a"), second.Key("a")) {
		t.Error("the same secret gives different keys")
	}
	if bytes.Equal(first.Key("a"), first.Key("b")) || len(first.Key("a")) != 32 {
		t.Errorf("the keys are %x and %x, want different ones of 32 bytes", first.Key("a"), first.Key("b"))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, invalid := range []string{"", "abc", string(data[:32]), strings.Repeat("x", 5000)} {
		if err := os.WriteFile(path, []byte(invalid), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := auth.LoadSecret(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("LoadSecret of a file with %.10q: %v, want an error that names the file", invalid, err)
		}
	}
}

// TestSecretIsNotPrinted checks that no format prints a part of a secret.
func TestSecretIsNotPrinted(t *testing.T) {
	random := []byte("0123456789abcdef0123456789abcdef")
	secret, err := auth.NewSecret(random)
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{
		string(random[:4]),
		hex.EncodeToString(random[:4]),
		strings.Trim(fmt.Sprint(random[:4]), "[]"),
		fmt.Sprintf("%#x, %#x", random[:1], random[1:2]),
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, v := range []any{secret, &secret, struct{ secret auth.Secret }{secret}, []auth.Secret{secret}} {
			printed := fmt.Sprintf(format, v)
			for _, part := range parts {
				if strings.Contains(printed, part) {
					t.Errorf("%s prints %s", format, printed)
				}
			}
		}
	}
}

func TestNewSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	loaded, _, err := auth.LoadSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := auth.NewSecret(random)
	if err != nil || secret.IsZero() || !bytes.Equal(secret.Key("a"), loaded.Key("a")) {
		t.Errorf("NewSecret of the bytes of a file: %v, want the keys of LoadSecret", err)
	}
	clear(random)
	if !bytes.Equal(secret.Key("a"), loaded.Key("a")) {
		t.Error("NewSecret does not copy the bytes")
	}
	if long, err := auth.NewSecret(make([]byte, 64)); err != nil || bytes.Equal(long.Key("a"), secret.Key("a")) {
		t.Errorf("NewSecret of 64 bytes: %v, want other keys", err)
	}
	for _, few := range [][]byte{nil, {}, make([]byte, 31)} {
		if secret, err := auth.NewSecret(few); err == nil || !secret.IsZero() {
			t.Errorf("NewSecret of %d bytes: no error", len(few))
		}
	}
}
