package auth_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// readToken returns the token in a file.
func readToken(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// checkAdministrator checks that a token is an administrator's.
func checkAdministrator(t *testing.T, a *auth.Service, token string) {
	t.Helper()
	if p, err := a.Authenticate(context.Background(), token); err != nil || p.Kind != auth.Administrator {
		t.Errorf("the token: %+v, %v; want an administrator's", p, err)
	}
}

// TestLoadAdminToken checks a file through the life of a server.
func TestLoadAdminToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin-token")
	load := func(t *testing.T, a *auth.Service, want auth.AdminToken) {
		t.Helper()
		if got, err := a.LoadAdminToken(t.Context(), path); err != nil || got != want {
			t.Fatalf("LoadAdminToken() = %+v, %v; want %+v", got, err, want)
		}
	}
	s := memstore.New()
	a := open(t, s, nil)
	load(t, a, auth.AdminToken{Created: true})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, error %v; want mode 0600", info, err)
	}
	token := readToken(t, path)
	checkAdministrator(t, a, token)

	t.Run("restart", func(t *testing.T) {
		load(t, open(t, s, nil), auth.AdminToken{})
		if now := readToken(t, path); now != token {
			t.Error("the file has changed")
		}
	})
	t.Run("other store", func(t *testing.T) {
		other := open(t, memstore.New(), nil)
		load(t, other, auth.AdminToken{})
		checkAdministrator(t, other, token)
	})
	t.Run("lost file", func(t *testing.T) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		load(t, a, auth.AdminToken{Created: true})
		checkAdministrator(t, a, token)
		checkAdministrator(t, a, readToken(t, path))
	})
	t.Run("no token", func(t *testing.T) {
		if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := a.LoadAdminToken(t.Context(), path)
		if !errors.Is(err, auth.ErrUnauthorized) || !strings.Contains(err.Error(), path) {
			t.Errorf("LoadAdminToken: %v, want ErrUnauthorized with the path", err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the content of the file: %v", err)
		}
	})
}

// TestLoadAdminTokenEnded checks that the server starts with a new token if that of the file has ended.
func TestLoadAdminTokenEnded(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	revoke := func(t *testing.T, a *auth.Service, id string) {
		t.Helper()
		if err := a.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		// end ends the token with an id.
		end func(t *testing.T, a *auth.Service, s store.Store, id string)
		// later is the time that passes until the server starts again.
		later time.Duration
	}{
		{"revoked", func(t *testing.T, a *auth.Service, _ store.Store, id string) { revoke(t, a, id) }, 0},
		{"revoked and lost", func(t *testing.T, a *auth.Service, s store.Store, id string) {
			revoke(t, a, id)
			if err := s.Delete(t.Context(), store.Key{Kind: "tokens", ID: id}, store.Condition{}); err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"expired", func(*testing.T, *auth.Service, store.Store, string) {}, 2 * time.Hour},
		{"expired and purged", func(t *testing.T, _ *auth.Service, s store.Store, _ string) {
			later := start.Add(2 * time.Hour)
			if err := open(t, s, func() time.Time { return later }).Purge(t.Context(), later); err != nil {
				t.Fatal(err)
			}
		}, 2 * time.Hour},
		{"maker revoked", func(t *testing.T, a *auth.Service, _ store.Store, id string) {
			i, _ := a.Info(id)
			revoke(t, a, i.Chain[0])
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			path := filepath.Join(t.TempDir(), "admin-token")
			a := open(t, s, func() time.Time { return start })
			maker, _ := issue(t, a, adminGrant)
			token, id := issueWith(t, a, maker, auth.Grant{Kind: auth.Administrator, Expires: start.Add(time.Hour)})
			if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := a.LoadAdminToken(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			c.end(t, a, s, id)
			again := open(t, s, func() time.Time { return start.Add(c.later) })
			got, err := again.LoadAdminToken(t.Context(), path)
			if err != nil || !got.Created || !errors.Is(got.Replaced, auth.ErrRevoked) {
				t.Fatalf("LoadAdminToken() = %+v, %v; want Created and Replaced", got, err)
			}
			checkUnauthorized(t, again, token)
			checkAdministrator(t, again, readToken(t, path))
		})
	}
}

// TestLoadAdminTokenOfAnotherKind checks that the token of a title is not made an administrator's.
func TestLoadAdminTokenOfAnotherKind(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, _ := issue(t, a, titleGrant)
	path := filepath.Join(t.TempDir(), "admin-token")
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.LoadAdminToken(t.Context(), path); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("LoadAdminToken: %v, want ErrUnauthorized", err)
	}
}

// TestAdoptOnTwoServers checks that servers that share a store and the file of the token can start at the same time.
func TestAdoptOnTwoServers(t *testing.T) {
	s := memstore.New()
	path := filepath.Join(t.TempDir(), "admin.token")
	one, two := open(t, s, nil), open(t, s, nil) // both have read the tokens before one of them adopts it
	if _, err := one.LoadAdminToken(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	token := readToken(t, path)
	result, err := two.LoadAdminToken(t.Context(), path)
	if err != nil || result.Created || result.Replaced != nil || readToken(t, path) != token {
		t.Errorf("the second server: %+v, %v", result, err)
	}
	if _, err := two.Authenticate(t.Context(), token); err != nil {
		t.Error(err)
	}
	// One server may also write the token's record after the other has looked for it.
	late, _ := issue(t, open(t, memstore.New(), nil), adminGrant)
	racing := open(t, &lateStore{Store: s, before: func() {
		if err := one.Adopt(t.Context(), late); err != nil {
			t.Error(err)
		}
	}}, nil)
	if err := racing.Adopt(t.Context(), late); err != nil {
		t.Errorf("Adopt on two servers at the same time: %v", err)
	}
}

// A lateStore calls a function once before it writes the record of a token.
type lateStore struct {
	store.Store
	before func()
	once   sync.Once
}

// Put implements store.Store.
func (l *lateStore) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	if k.Kind == "tokens" {
		l.once.Do(l.before)
	}
	return l.Store.Put(ctx, k, v, cond)
}
