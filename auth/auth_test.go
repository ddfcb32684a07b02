package auth_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
		if !regexp.MustCompile(`^pst_[A-Z2-7]{59}$`).MatchString(token) || seen[token] || seen[id] || strings.Contains(token, id) {
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
		if err != nil || p.MayCreate() || p.MayAdminister() || !p.MayChange("uid-2", "") || p.MayChange("uid-3", "") || p.MayChange("", "") {
			t.Errorf("the title's token: %+v, %v", p, err)
		}
		if _, err := a.Authenticate(context.Background(), short); err != nil {
			t.Errorf("not yet expired: %v", err)
		}
		for _, wrong := range []string{"", "pst_", foreign, strings.ToLower(admin), admin + " ", admin[:len(admin)-1], admin[:10] + "A" + admin[11:], "Bearer " + admin, strings.Repeat("x", 63)} {
			if wrong == admin {
				continue
			}
			if p, err := a.Authenticate(context.Background(), wrong); !errors.Is(err, auth.ErrUnauthorized) || p.MayCreate() || p.TokenID != "" {
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

func TestTakingOver(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	a := open(t, s, nil)
	old, oldID := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}})
	next, _ := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}, Replaces: []string{oldID}})
	for range 3 {
		if _, err := a.Authenticate(ctx, old); err != nil {
			t.Errorf("before the new one is used: %v", err)
		}
	}
	// Who has stolen the old one makes others with it, in time.
	rotated, _, err := a.Rotate(ctx, oldID)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := a.Authenticate(ctx, rotated)
	if err != nil {
		t.Fatal(err)
	}
	made, _, err := a.IssueFor(ctx, thief, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}}, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	a = open(t, s, nil) // a restart forgets nothing
	if _, err := a.Authenticate(ctx, next); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*auth.Service{a, open(t, s, nil)} {
		for _, token := range []string{old, rotated, made} {
			if _, err := a.Authenticate(ctx, token); !errors.Is(err, auth.ErrUnauthorized) {
				t.Errorf("after the new one was used: %v", err)
			}
		}
		if _, err := a.Authenticate(ctx, next); err != nil {
			t.Error(err)
		}
	}
}

func TestRotate(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	a := open(t, s, nil)
	old, oldID := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}})
	next, _, err := a.Rotate(ctx, oldID)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*auth.Service{a, open(t, s, nil)} {
		if _, err := a.Authenticate(ctx, old); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("%v", err)
		}
		if p, err := a.Authenticate(ctx, next); err != nil || !p.MayChange("u", "") {
			t.Errorf("%+v %v", p, err)
		}
	}
	if _, _, err := a.Rotate(ctx, oldID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

// A token never grants more than the one it is made with.
func TestIssueFor(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := open(t, memstore.New(), func() time.Time { return now })
	soon := now.Add(time.Hour)
	admin := auth.Principal{Grant: auth.Grant{Kind: auth.Administrator}}
	ann := auth.Principal{Grant: auth.Grant{Kind: auth.Contributor, Contributor: "ann"}}
	title := auth.Principal{Grant: auth.Grant{Kind: auth.TitleToken, Titles: []string{"a"}}}
	brief := auth.Principal{Grant: auth.Grant{Kind: auth.Administrator, Expires: soon}}
	for _, c := range []struct {
		name  string
		maker auth.Principal
		g     auth.Grant
		err   error
	}{
		{"an administrator, anything", admin, auth.Grant{Kind: auth.Administrator}, nil},
		{"an administrator, titles", admin, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a", "b"}}, nil},
		{"a contributor, the same", ann, auth.Grant{Kind: auth.Contributor, Contributor: "ann"}, nil},
		{"a contributor, another's", ann, auth.Grant{Kind: auth.Contributor, Contributor: "bob"}, auth.ErrForbidden},
		{"a contributor, everything", ann, auth.Grant{Kind: auth.Administrator}, auth.ErrForbidden},
		{"a contributor, an own title", ann, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a"}}, nil},
		{"a contributor, another's title", ann, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a", "b"}}, auth.ErrForbidden},
		{"a title, the same", title, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a"}}, nil},
		{"a title, another", title, auth.Grant{Kind: auth.TitleToken, Titles: []string{"b"}}, auth.ErrForbidden},
		{"a title, everything", title, auth.Grant{Kind: auth.Administrator}, auth.ErrForbidden},
		{"a title, taking another's place", title, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a"}, Replaces: []string{"x"}}, auth.ErrForbidden},
		{"nobody", auth.Principal{}, auth.Grant{Kind: auth.TitleToken, Titles: []string{"b"}}, auth.ErrForbidden},
		{"no kind", admin, auth.Grant{}, auth.ErrGrant},
		{"no titles", admin, auth.Grant{Kind: auth.TitleToken}, auth.ErrGrant},
		{"no contributor", admin, auth.Grant{Kind: auth.Contributor}, auth.ErrGrant},
		{"too long", admin, auth.Grant{Kind: auth.Administrator, Expires: now.Add(auth.MaxLifetime + 1)}, auth.ErrGrant},
		{"ended already", admin, auth.Grant{Kind: auth.Administrator, Expires: now}, auth.ErrGrant},
	} {
		_, _, err := a.IssueFor(t.Context(), c.maker, c.g, func(uid string) bool { return uid == "a" })
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	token, _, err := a.IssueFor(t.Context(), brief, auth.Grant{Kind: auth.Administrator}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(t.Context(), token); err != nil || !p.Expires.Equal(soon) {
		t.Errorf("it outlives its maker's: %+v %v", p, err)
	}
}

func TestClaim(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	a := open(t, s, nil)
	code := a.ClaimCode()
	for _, wrong := range []string{"", "x", code + "x"} {
		if _, err := a.Claim(ctx, wrong); !errors.Is(err, auth.ErrClaimed) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	tokens := make(chan string, 20)
	for range cap(tokens) {
		go func() {
			token, err := a.Claim(context.Background(), code)
			if err != nil && !errors.Is(err, auth.ErrClaimed) {
				t.Error(err)
			}
			tokens <- token
		}()
	}
	won := 0
	for range cap(tokens) {
		if token := <-tokens; token != "" {
			won++
			if p, err := a.Authenticate(ctx, token); err != nil || !p.MayAdminister() {
				t.Errorf("%+v %v", p, err)
			}
		}
	}
	if won != 1 || a.ClaimCode() != "" || open(t, s, nil).ClaimCode() != "" {
		t.Errorf("%d have claimed it", won)
	}
}

func TestListAndFlush(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s := memstore.New()
	a := open(t, s, clock)
	token, id := issue(t, a, auth.Grant{Kind: auth.Administrator})
	now = now.Add(time.Hour)
	_, gone := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}})
	_, brief := issue(t, a, auth.Grant{Kind: auth.Administrator, Expires: now.Add(time.Hour)})
	if err := a.Revoke(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if all := a.List(); len(all) != 2 || all[0].ID != brief || all[1].ID != id || !all[1].Used.Equal(now) || !all[0].Used.IsZero() {
		t.Errorf("%+v", all)
	}
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	used := now
	now = now.Add(2 * time.Hour)
	if all := open(t, s, clock).List(); len(all) != 1 || !all[0].Used.Equal(used) {
		t.Errorf("after a restart, and the end of one: %+v", all)
	}
}

func TestRevokeAll(t *testing.T) {
	a := open(t, memstore.New(), nil)
	one, _ := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}})
	two, _ := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u", "v"}})
	if err := a.RevokeAll(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), one); !errors.Is(err, auth.ErrUnauthorized) {
		t.Error(err)
	}
	if _, err := a.Authenticate(t.Context(), two); err != nil {
		t.Error(err)
	}
}

// A revocation is seen by another server over the same store.
func TestFollow(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- here.Follow(ctx) }()
	token, id := issue(t, there, auth.Grant{Kind: auth.Administrator})
	eventually := func(want bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, err := here.Authenticate(ctx, token); (err == nil) == want {
				return
			}
			if time.Now().After(end) {
				t.Fatal("it was not seen")
			}
		}
	}
	eventually(true)
	if err := there.Revoke(ctx, id); err != nil {
		t.Fatal(err)
	}
	eventually(false)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestPurge(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := memstore.New()
	a := open(t, s, func() time.Time { return now })
	live, _ := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}})
	_, revoked := issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}})
	admin, adminID := issue(t, a, auth.Grant{Kind: auth.Administrator})
	issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}, Expires: now.Add(time.Hour)})
	for _, id := range []string{revoked, adminID} {
		if err := a.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	records := func() (n int) {
		for range s.List(t.Context(), "tokens") {
			n++
		}
		return n
	}
	if err := a.Purge(t.Context(), now); err != nil || records() != 4 {
		t.Errorf("at once: %v, %d records", err, records())
	}
	if err := a.Purge(t.Context(), now.Add(48*time.Hour)); err != nil || records() != 2 {
		t.Errorf("later: %v, %d records", err, records())
	}
	if _, err := a.Authenticate(t.Context(), live); err != nil {
		t.Error(err)
	}
	if err := a.Adopt(t.Context(), admin); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("a revoked administrator's token came back: %v", err)
	}
}
