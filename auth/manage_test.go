package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

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
	editor := auth.Principal{Grant: auth.Grant{Kind: auth.Editor}}
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
		{"a contributor, another's", ann, auth.Grant{Kind: auth.Contributor, Contributor: "bob"}, auth.ErrDenied},
		{"a contributor, everything", ann, auth.Grant{Kind: auth.Administrator}, auth.ErrDenied},
		{"a contributor, an own title", ann, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a"}}, nil},
		{"a contributor, another's title", ann, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a", "b"}}, auth.ErrDenied},
		{"a title, the same", title, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a"}}, nil},
		{"a title, another", title, auth.Grant{Kind: auth.TitleToken, Titles: []string{"b"}}, auth.ErrDenied},
		{"a title, everything", title, auth.Grant{Kind: auth.Administrator}, auth.ErrDenied},
		{"an administrator, an editor's", admin, auth.Grant{Kind: auth.Editor}, nil},
		{"an editor, the same", editor, auth.Grant{Kind: auth.Editor}, nil},
		{"an editor, any title", editor, auth.Grant{Kind: auth.TitleToken, Titles: []string{"a", "b"}}, nil},
		{"an editor, everything", editor, auth.Grant{Kind: auth.Administrator}, auth.ErrDenied},
		{"an editor, a contributor's", editor, ann.Grant, auth.ErrDenied},
		{"a contributor, an editor's", ann, auth.Grant{Kind: auth.Editor}, auth.ErrDenied},
		{"a title, an editor's", title, auth.Grant{Kind: auth.Editor}, auth.ErrDenied},
		{"an editor's with titles", admin, auth.Grant{Kind: auth.Editor, Titles: []string{"a"}}, auth.ErrGrant},
		{"a name", admin, auth.Grant{Kind: auth.Editor, Name: "laptop – Ann"}, nil},
		{"a long name", admin, auth.Grant{Kind: auth.Editor, Name: strings.Repeat("n", 101)}, auth.ErrGrant},
		{"a name of two lines", admin, auth.Grant{Kind: auth.Editor, Name: "a\nb"}, auth.ErrGrant},
		{"a name that is turned round", admin, auth.Grant{Kind: auth.Editor, Name: "a\u202eb"}, auth.ErrGrant},
		{"a name that is no text", admin, auth.Grant{Kind: auth.Editor, Name: "\xff"}, auth.ErrGrant},
		{"a long UID", admin, auth.Grant{Kind: auth.TitleToken, Titles: []string{strings.Repeat("u", 256)}}, auth.ErrGrant},
		{"nobody", auth.Principal{}, auth.Grant{Kind: auth.TitleToken, Titles: []string{"b"}}, auth.ErrDenied},
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
	if all := a.List(); len(all) != 2 || all[0].ID != brief || all[1].ID != id || !all[1].Used.Equal(now) ||
		!all[0].Used.IsZero() {
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
	if err := a.RevokeTitle(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), one); !errors.Is(err, auth.ErrUnauthorized) {
		t.Error(err)
	}
	if _, err := a.Authenticate(t.Context(), two); err != nil {
		t.Error(err)
	}
}

// eventually waits until a token is good, or no longer, by what another server has written.
func eventually(t *testing.T, a *auth.Service, token string, want bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := a.Authenticate(t.Context(), token); (err == nil) == want {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it was not seen")
		}
	}
}

// A revocation is seen by another server over the same store.
func TestFollow(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); here.Follow(ctx) }()
	token, id := issue(t, there, auth.Grant{Kind: auth.Administrator})
	eventually(t, here, token, true)
	if err := there.Revoke(ctx, id); err != nil {
		t.Fatal(err)
	}
	eventually(t, here, token, false)
	cancel()
	<-ended
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
