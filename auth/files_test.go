package auth_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestLoadAdminToken(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "admin-token")
	s := memstore.New()
	a := open(t, s, nil)
	if created, err := a.LoadAdminToken(ctx, path); err != nil || !created {
		t.Fatalf("%v, %v", created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(data))
	if p, err := a.Authenticate(context.Background(), token); err != nil || !p.MayAdminister() {
		t.Errorf("%+v, %v", p, err)
	}

	// Again, after a restart: the same token, the same file.
	again := open(t, s, nil)
	if created, err := again.LoadAdminToken(ctx, path); err != nil || created {
		t.Errorf("%v, %v", created, err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, data) {
		t.Error("the file has changed")
	}
	// Another store, the same file: the operator's token opens it.
	fresh := open(t, memstore.New(), nil)
	if _, err := fresh.LoadAdminToken(ctx, path); err != nil {
		t.Error(err)
	}
	if _, err := fresh.Authenticate(context.Background(), token); err != nil {
		t.Error(err)
	}
	// The file is lost: a new one, and the old token stays good.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if created, err := again.LoadAdminToken(ctx, path); err != nil || !created {
		t.Errorf("%v, %v", created, err)
	}
	if _, err := again.Authenticate(context.Background(), token); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := again.LoadAdminToken(ctx, path); !errors.Is(err, auth.ErrUnauthorized) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestLoadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	first, created, err := auth.LoadSecret(path)
	if err != nil || !created {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	second, created, err := auth.LoadSecret(path)
	if err != nil || created || !bytes.Equal(first.Key("a"), second.Key("a")) || bytes.Equal(first.Key("a"), first.Key("b")) || len(first.Key("a")) != 32 {
		t.Errorf("%v, %v", created, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(string(data[:8]))
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(data[:8]), string(raw), strings.Trim(fmt.Sprint(raw), "[]"), fmt.Sprintf("%#x", raw[:1]) + ", " + fmt.Sprintf("%#x", raw[1:2])}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, v := range []any{first, &first, struct{ secret auth.Secret }{first}, []auth.Secret{first}} {
			for _, secret := range shown {
				if s := fmt.Sprintf(format, v); strings.Contains(s, secret) {
					t.Errorf("%s prints %s", format, s)
				}
			}
		}
	}
	for _, bad := range []string{"", "abc", string(data[:32]), strings.Repeat("x", 5000)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := auth.LoadSecret(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}
