package auth_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestOpenWithoutStore(t *testing.T) {
	if _, err := auth.Open(t.Context(), nil, nil); err == nil {
		t.Error("Open without a store: no error")
	}
}

func TestTokenForm(t *testing.T) {
	a := open(t, memstore.New(), nil)
	form := regexp.MustCompile(`^pst_[A-Z2-7]{59}$`)
	seen := map[string]bool{}
	for range 100 {
		token, id := issue(t, a, adminGrant)
		if !form.MatchString(token) || strings.Contains(token, id) {
			t.Fatalf("the token is %s and its id %s, want the form %s", token, id, form)
		}
		if seen[token] || seen[id] {
			t.Fatalf("token %s or id %s was made twice", token, id)
		}
		seen[token], seen[id] = true, true
	}
}

func TestAuthenticate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s := memstore.New()
	a := open(t, s, clock)
	admin, adminID := issue(t, a, adminGrant)
	title, _ := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"uid-1", "uid-2"}})
	short, _ := issue(t, a, auth.Grant{Kind: auth.Administrator, Expires: now.Add(time.Hour)})
	foreign, _ := issue(t, open(t, memstore.New(), nil), adminGrant)
	changed := []byte(admin)
	changed[10] ^= 1

	for name, a := range map[string]*auth.Service{"same server": a, "after a restart": open(t, s, clock)} {
		t.Run(name, func(t *testing.T) {
			p, err := a.Authenticate(t.Context(), admin)
			if err != nil || p.TokenID != adminID || p.Kind != auth.Administrator || !p.HasToken() {
				t.Errorf("the administrator's token: %+v, %v", p, err)
			}
			p, err = a.Authenticate(t.Context(), title)
			if err != nil || allows(p, auth.ActionCreate, auth.Title{}) ||
				!allows(p, auth.ActionChange, auth.Title{UID: "uid-2"}) ||
				allows(p, auth.ActionChange, auth.Title{UID: "uid-3"}) {
				t.Errorf("the titles' token: %+v, %v", p, err)
			}
			if _, err := a.Authenticate(t.Context(), short); err != nil {
				t.Errorf("a token that expires later: %v", err)
			}
			for _, wrong := range []string{
				"", "pst_", foreign, strings.ToLower(admin), admin + " ", admin[:len(admin)-1], string(changed),
				"Bearer " + admin, strings.Repeat("x", 63),
			} {
				p, err := a.Authenticate(t.Context(), wrong)
				if !errors.Is(err, auth.ErrUnauthorized) || !p.Anonymous() {
					t.Errorf("Authenticate(%q) = %+v, %v; want ErrUnauthorized", wrong, p, err)
				}
			}
		})
	}
	now = now.Add(time.Hour)
	checkUnauthorized(t, a, short)
}

func TestChecks(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, id := issue(t, a, adminGrant)
	for _, tried := range []string{token, token, "pst_wrong", ""} {
		_, _ = a.Authenticate(t.Context(), tried)
	}
	if err := a.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, _ = a.Authenticate(t.Context(), token)
	if accepted, refused := a.Checks(); accepted != 2 || refused != 3 {
		t.Errorf("Checks() = %d, %d; want 2, 3", accepted, refused)
	}
}

func TestStoreHasNoToken(t *testing.T) {
	s := memstore.New()
	token, _ := issue(t, open(t, s, nil), adminGrant)
	secret := token[len("pst_")+12 : len(token)-7]
	for r, err := range s.List(t.Context(), "tokens") {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToUpper(r.Value), []byte(secret)) {
			t.Errorf("the record contains the token: %s", r.Value)
		}
	}
}

// FuzzAuthenticate checks that only the one token that was made is valid.
func FuzzAuthenticate(f *testing.F) {
	a := open(f, memstore.New(), nil)
	token, _ := issue(f, a, adminGrant)
	f.Add(token[:10])
	f.Add("pst_" + strings.Repeat("A", 59))
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := a.Authenticate(context.Background(), s); (err == nil) != (s == token) {
			t.Errorf("Authenticate(%q): %v", s, err)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	a := open(b, memstore.New(), nil)
	var token string
	for range 1000 {
		token, _ = issue(b, a, adminGrant)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticateBelowMany(b *testing.B) {
	a := open(b, memstore.New(), nil)
	admin, _ := issue(b, a, adminGrant)
	token := admin
	for range 3 {
		token, _ = issueWith(b, a, token, adminGrant)
	}
	for range 1000 {
		issueWith(b, a, admin, titleGrant)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}
