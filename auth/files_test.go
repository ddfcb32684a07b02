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
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestLoadAdminToken(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "admin-token")
	s := memstore.New()
	a := open(t, s, nil)
	if did, err := a.LoadAdminToken(ctx, path); err != nil || !did.Created || did.Replaced != nil {
		t.Fatalf("%+v, %v", did, err)
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
	if did, err := again.LoadAdminToken(ctx, path); err != nil || did != (auth.AdminToken{}) {
		t.Errorf("%+v, %v", did, err)
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
	if did, err := again.LoadAdminToken(ctx, path); err != nil || !did.Created || did.Replaced != nil {
		t.Errorf("%+v, %v", did, err)
	}
	if _, err := again.Authenticate(context.Background(), token); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := again.LoadAdminToken(ctx, path); !errors.Is(err, auth.ErrUnauthorized) ||
		!strings.Contains(err.Error(), path) ||
		strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

// Whatever has become of the token in the file, the server starts: with a new one, if that one is no longer good.
func TestAdminTokenThatHasEnded(t *testing.T) {
	ctx := t.Context()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		// end ends the token that stands in the file.
		end func(t *testing.T, a *auth.Service, s store.Store, id string)
		// later is how much later the server starts again.
		later time.Duration
	}{
		{"revoked", func(t *testing.T, a *auth.Service, _ store.Store, id string) {
			if err := a.Revoke(ctx, id); err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"revoked, and its record is lost", func(t *testing.T, a *auth.Service, s store.Store, id string) {
			err := errors.Join(a.Revoke(ctx, id), s.Delete(ctx, store.Key{Kind: "tokens", ID: id}, store.Condition{}))
			if err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"expired", func(t *testing.T, _ *auth.Service, _ store.Store, _ string) {}, 2 * time.Hour},
		{"expired, and swept away", func(t *testing.T, _ *auth.Service, s store.Store, _ string) {
			later := open(t, s, func() time.Time { return start.Add(2 * time.Hour) })
			if err := later.Purge(ctx, start.Add(2*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, 2 * time.Hour},
		{"its maker was revoked", func(t *testing.T, a *auth.Service, _ store.Store, id string) {
			for _, i := range a.List() {
				if i.ID == id {
					if err := a.Revoke(ctx, i.Chain[0]); err != nil {
						t.Fatal(err)
					}
				}
			}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			path := filepath.Join(t.TempDir(), "admin-token")
			a := open(t, s, func() time.Time { return start })
			_, maker := issue(t, a, auth.Grant{Kind: auth.Administrator})
			g := auth.Grant{Kind: auth.Administrator, Expires: start.Add(time.Hour)}
			admin := auth.Principal{TokenID: maker, Grant: auth.Grant{Kind: auth.Administrator}}
			token, id, err := a.IssueFor(ctx, admin, g, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := a.LoadAdminToken(ctx, path); err != nil {
				t.Fatal(err)
			}
			c.end(t, a, s, id)
			again := open(t, s, func() time.Time { return start.Add(c.later) })
			did, err := again.LoadAdminToken(ctx, path)
			if err != nil || !did.Created || !errors.Is(did.Replaced, auth.ErrRevoked) {
				t.Fatalf("%+v, %v", did, err)
			}
			if _, err := again.Authenticate(ctx, token); !errors.Is(err, auth.ErrUnauthorized) {
				t.Errorf("the old token: %v", err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if p, err := again.Authenticate(ctx, strings.TrimSpace(string(data))); err != nil || !p.MayAdminister() {
				t.Errorf("the new token: %+v, %v", p, err)
			}
		})
	}
}

// A file with the token of a title, or of another server's title, is an error.
func TestAdminTokenOfAnotherKind(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, _ := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}})
	path := filepath.Join(t.TempDir(), "admin-token")
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.LoadAdminToken(t.Context(), path); !errors.Is(err, auth.ErrUnauthorized) {
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
	if err != nil || created || !bytes.Equal(first.Key("a"), second.Key("a")) ||
		bytes.Equal(first.Key("a"), first.Key("b")) ||
		len(first.Key("a")) != 32 {
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
	shown := []string{
		string(data[:8]),
		string(raw),
		strings.Trim(fmt.Sprint(raw), "[]"),
		fmt.Sprintf("%#x", raw[:1]) + ", " + fmt.Sprintf("%#x", raw[1:2]),
	}
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
		t.Errorf("NewSecret of a file's bytes: %v, want the keys of the file", err)
	}
	clear(random)
	if !bytes.Equal(secret.Key("a"), loaded.Key("a")) {
		t.Error("the secret changes with the bytes it was made of")
	}
	if long, err := auth.NewSecret(make([]byte, 64)); err != nil || bytes.Equal(long.Key("a"), secret.Key("a")) {
		t.Errorf("NewSecret of 64 bytes: %v, want keys of their own", err)
	}
	for _, few := range [][]byte{nil, {}, make([]byte, 31)} {
		if secret, err := auth.NewSecret(few); err == nil || !secret.IsZero() {
			t.Errorf("NewSecret of %d bytes: no error", len(few))
		}
	}
}
