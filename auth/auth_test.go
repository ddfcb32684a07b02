package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func open(t testing.TB, s store.Store, now func() time.Time) *auth.Service {
	t.Helper()
	a, err := auth.Open(context.Background(), s, &auth.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t testing.TB, a *auth.Service, g auth.Grant) (token, id string) {
	t.Helper()
	token, id, err := a.Issue(context.Background(), g)
	if err != nil {
		t.Fatal(err)
	}
	return token, id
}

func TestTokenForm(t *testing.T) {
	a := open(t, memstore.New(), nil)
	seen := map[string]bool{}
	for range 100 {
		token, id := issue(t, a, auth.Grant{Kind: auth.Administrator})
		if !regexp.MustCompile(`^pst_[A-Z2-7]{59}$`).MatchString(token) || seen[token] || seen[id] ||
			strings.Contains(token, id) {
			t.Fatalf("token %s, id %s", token, id)
		}
		seen[token], seen[id] = true, true
	}
}

func TestAuthenticate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := memstore.New()
	a := open(t, s, func() time.Time { return now })
	admin, adminID := issue(t, a, auth.Grant{Kind: auth.Administrator})
	title, _ := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"uid-1", "uid-2"}})
	short, _ := issue(t, a, auth.Grant{Kind: auth.Administrator, Expires: now.Add(time.Hour)})
	other := open(t, memstore.New(), nil)
	foreign, _ := issue(t, other, auth.Grant{Kind: auth.Administrator})

	for _, a := range []*auth.Service{a, open(t, s, func() time.Time { return now })} { // and after a restart
		p, err := a.Authenticate(context.Background(), admin)
		if err != nil || p.TokenID != adminID || !p.MayCreate() || !p.MayAdminister() || !p.MayChange("any", "") {
			t.Errorf("the administrator: %+v, %v", p, err)
		}
		p, err = a.Authenticate(context.Background(), title)
		if err != nil || p.MayCreate() || p.MayAdminister() || !p.MayChange("uid-2", "") || p.MayChange("uid-3", "") ||
			p.MayChange("", "") {
			t.Errorf("the title's token: %+v, %v", p, err)
		}
		if _, err := a.Authenticate(context.Background(), short); err != nil {
			t.Errorf("not yet expired: %v", err)
		}
		for _, wrong := range []string{"", "pst_", foreign, strings.ToLower(admin), admin + " ", admin[:len(admin)-1], admin[:10] + "A" + admin[11:], "Bearer " + admin, strings.Repeat("x", 63)} {
			if wrong == admin {
				continue
			}
			if p, err := a.Authenticate(context.Background(), wrong); !errors.Is(err, auth.ErrUnauthorized) ||
				p.MayCreate() ||
				p.TokenID != "" {
				t.Errorf("%q: %+v, %v", wrong, p, err)
			}
		}
	}
	now = now.Add(time.Hour)
	if _, err := a.Authenticate(context.Background(), short); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("expired: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	s := memstore.New()
	a := open(t, s, nil)
	token, id := issue(t, a, auth.Grant{Kind: auth.Administrator})
	if err := a.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*auth.Service{a, open(t, s, nil)} {
		if _, err := a.Authenticate(context.Background(), token); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("%v, want ErrUnauthorized", err)
		}
		if err := a.Adopt(t.Context(), token); !errors.Is(err, auth.ErrRevoked) {
			t.Errorf("Adopt: %v, want ErrRevoked", err)
		}
		for _, id := range []string{id, "nobody", ""} {
			if err := a.Revoke(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("Revoke(%q): %v, want ErrNotFound", id, err)
			}
		}
	}
}

func TestTheStoreHoldsNoToken(t *testing.T) {
	s := memstore.New()
	token, _ := issue(t, open(t, s, nil), auth.Grant{Kind: auth.Administrator})
	secret := token[len("pst_")+12 : len(token)-7]
	for r, err := range s.List(t.Context(), "tokens") {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToUpper(r.Value), []byte(secret)) {
			t.Errorf("%s", r.Value)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	a := open(f, memstore.New(), nil)
	token, _ := issue(f, a, auth.Grant{Kind: auth.Administrator})
	f.Add(token[:10])
	f.Add("pst_" + strings.Repeat("A", 59))
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := a.Authenticate(context.Background(), s); (err == nil) != (s == token) {
			t.Errorf("%q: %v", s, err)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	a := open(b, memstore.New(), nil)
	var token string
	for range 1000 {
		token, _ = issue(b, a, auth.Grant{Kind: auth.Administrator})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	ctx := context.Background()
	a, err := auth.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, id, err := a.Issue(ctx, auth.Grant{Kind: auth.TitleToken, Titles: []string{"uid of a title"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := a.Authenticate(context.Background(), token)
	fmt.Println(p.MayChange("uid of a title", ""), p.MayChange("uid of another", ""), err)
	fmt.Println(a.Revoke(ctx, id))
	_, err = a.Authenticate(context.Background(), token)
	fmt.Println(err)
	// Output:
	// true false <nil>
	// <nil>
	// the token is unknown, expired or revoked
}

// forgetful makes writes, and says that they failed.
type forgetful struct{ store.Store }

func (f forgetful) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if _, err := f.Store.Put(ctx, k, v, c); err != nil {
		return "", err
	}
	return "", errors.New("connection lost")
}

// A revocation that the store does not confirm holds all the same, if it happened.
func TestRevokeWithUnknownOutcome(t *testing.T) {
	s := memstore.New()
	token, id := issue(t, open(t, s, nil), auth.Grant{Kind: auth.Administrator})
	a := open(t, forgetful{s}, nil)
	if err := a.Revoke(t.Context(), id); err == nil {
		t.Error("no error")
	}
	if _, err := a.Authenticate(context.Background(), token); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("%v, want ErrUnauthorized", err)
	}
}

// One who loses against another Service learns what that has made of the token.
func TestRevokedElsewhere(t *testing.T) {
	s := memstore.New()
	token, id := issue(t, open(t, s, nil), auth.Grant{Kind: auth.Administrator})
	a, b := open(t, s, nil), open(t, s, nil)
	if err := a.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := b.Revoke(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
	if _, err := b.Authenticate(context.Background(), token); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("%v, want ErrUnauthorized", err)
	}
}
