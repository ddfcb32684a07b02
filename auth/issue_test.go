package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestIssueFor checks that a token never grants more than the one it is made with.
func TestIssueFor(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := open(t, memstore.New(), func() time.Time { return now })
	soon := now.Add(time.Hour)
	titles := func(uids ...string) auth.Grant { return auth.Grant{Kind: auth.TitleToken, Titles: uids} }
	named := func(name string) auth.Grant { return auth.Grant{Kind: auth.Editor, Name: name} }
	expiring := func(at time.Time) auth.Grant { return auth.Grant{Kind: auth.Administrator, Expires: at} }
	editorGrant, bobGrant := auth.Grant{Kind: auth.Editor}, auth.Grant{Kind: auth.Contributor, Contributor: "bob"}
	admin, editor := auth.Principal{Grant: adminGrant}, auth.Principal{Grant: editorGrant}
	ann, title := auth.Principal{Grant: annGrant}, auth.Principal{Grant: titles("a")}
	for _, c := range []struct {
		name  string
		maker auth.Principal
		g     auth.Grant
		err   error
	}{
		{"administrator: administrator", admin, adminGrant, nil},
		{"administrator: editor", admin, editorGrant, nil},
		{"administrator: titles", admin, titles("a", "b"), nil},
		{"editor: administrator", editor, adminGrant, auth.ErrDenied},
		{"editor: editor", editor, editorGrant, nil},
		{"editor: contributor", editor, annGrant, auth.ErrDenied},
		{"editor: titles", editor, titles("a", "b"), nil},
		{"contributor: administrator", ann, adminGrant, auth.ErrDenied},
		{"contributor: editor", ann, editorGrant, auth.ErrDenied},
		{"contributor: same contributor", ann, annGrant, nil},
		{"contributor: other contributor", ann, bobGrant, auth.ErrDenied},
		{"contributor: own title", ann, titles("a"), nil},
		{"contributor: other title", ann, titles("a", "b"), auth.ErrDenied},
		{"title: administrator", title, adminGrant, auth.ErrDenied},
		{"title: editor", title, editorGrant, auth.ErrDenied},
		{"title: same title", title, titles("a"), nil},
		{"title: other title", title, titles("b"), auth.ErrDenied},
		{"anonymous: title", auth.Principal{}, titles("b"), auth.ErrDenied},
		{"no kind", admin, auth.Grant{}, auth.ErrGrant},
		{"no titles", admin, titles(), auth.ErrGrant},
		{"no contributor", admin, auth.Grant{Kind: auth.Contributor}, auth.ErrGrant},
		{"editor with titles", admin, auth.Grant{Kind: auth.Editor, Titles: []string{"a"}}, auth.ErrGrant},
		{"long UID", admin, titles(strings.Repeat("u", 256)), auth.ErrGrant},
		{"name", admin, named("laptop – Ann"), nil},
		{"long name", admin, named(strings.Repeat("n", 101)), auth.ErrGrant},
		{"name with a line break", admin, named("a\nb"), auth.ErrGrant},
		{"name with a direction override", admin, named("a\u202eb"), auth.ErrGrant},
		{"name that is not UTF-8", admin, named("\xff"), auth.ErrGrant},
		{"too long a lifetime", admin, expiring(now.Add(auth.MaxLifetime + 1)), auth.ErrGrant},
		{"already expired", admin, expiring(now), auth.ErrGrant},
	} {
		_, _, err := a.IssueFor(t.Context(), c.maker, c.g, func(uid string) bool { return uid == "a" })
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	token, _, err := a.IssueFor(t.Context(), auth.Principal{Grant: expiring(soon)}, adminGrant, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(t.Context(), token); err != nil || !p.Expires.Equal(soon) {
		t.Errorf("a token whose maker expires at %v: %+v, %v", soon, p, err)
	}
}

// TestChainEnds checks that revoking or rotating a token ends all tokens that were made with it, at any depth, in at
// most two writes.
func TestChainEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(a *auth.Service, id string) error
	}{
		{"revoke", func(a *auth.Service, id string) error { return a.Revoke(context.Background(), id) }},
		{"rotate", func(a *auth.Service, id string) error {
			token, _, err := a.Rotate(context.Background(), id)
			if err != nil {
				return err
			}
			_, err = a.Authenticate(context.Background(), token)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			writes := &countingStore{Store: s}
			a := open(t, writes, nil)
			tokens := map[string]string{}
			var leaked string
			tokens["admin"], _ = issue(t, a, adminGrant)
			tokens["leaked"], leaked = issueWith(t, a, tokens["admin"], titleGrant)
			tokens["child"], _ = issueWith(t, a, tokens["leaked"], titleGrant)
			tokens["grandchild"], _ = issueWith(t, a, tokens["child"], titleGrant)
			tokens["sibling"], _ = issueWith(t, a, tokens["admin"], titleGrant)
			if n, err := a.Descendants(t.Context(), leaked); err != nil || n != 2 {
				t.Errorf("Descendants() = %d, %v, want 2", n, err)
			}
			before := writes.puts.Load()
			if err := c.end(a, leaked); err != nil {
				t.Fatal(err)
			}
			if n := writes.puts.Load() - before; n > 2 {
				t.Errorf("%d writes, want at most 2", n)
			}
			want := map[string]bool{
				"admin": true, "sibling": true, "leaked": false, "child": false, "grandchild": false,
			}
			for _, a := range []*auth.Service{a, open(t, s, nil)} {
				checkValid(t, a, want, tokens)
			}
			if n, err := a.Descendants(t.Context(), leaked); err != nil || n != 0 {
				t.Errorf("afterwards Descendants() = %d, %v, want 0", n, err)
			}
			// Purging the records makes none of the tokens valid again.
			later := open(t, s, func() time.Time { return time.Now().Add(time.Hour) })
			for range 3 {
				if err := later.Purge(t.Context(), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			checkValid(t, later, want, tokens)
		})
	}
}

// TestRotatedTokenKeepsItsChain checks that a token that replaces another one was made with the same tokens and ends
// with them.
func TestRotatedTokenKeepsItsChain(t *testing.T) {
	a := open(t, memstore.New(), nil)
	tokens := map[string]string{}
	var rootID string
	tokens["root"], rootID = issue(t, a, titleGrant)
	laptop := auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}, Name: "laptop"}
	_, childID := issueWith(t, a, tokens["root"], laptop)
	next, nextID, err := a.Rotate(t.Context(), childID)
	if err != nil {
		t.Fatal(err)
	}
	tokens["next"] = next
	i, ok := a.Info(nextID)
	if !ok || i.Name != "laptop" || !cmp.Equal(i.Chain, []string{rootID}) {
		t.Errorf("Info() = %+v, %v; want the name laptop and the chain %s", i, ok, rootID)
	}
	checkValid(t, a, map[string]bool{"root": true, "next": true}, tokens)
	if err := a.Revoke(t.Context(), rootID); err != nil {
		t.Fatal(err)
	}
	checkValid(t, a, map[string]bool{"root": false, "next": false}, tokens)
}

// TestMakerEnded checks that a request that was authenticated before its token ended makes no tokens with it.
func TestMakerEnded(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, id := issue(t, a, titleGrant)
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.IssueFor(t.Context(), p, titleGrant, anyTitle); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("IssueFor: %v, want ErrUnauthorized", err)
	}
	if _, _, err := a.Rotate(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("Rotate: %v, want ErrNotFound", err)
	}
}

// TestMakerPurged checks the same when the record of the token was purged.
func TestMakerPurged(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	leaked, _ := issue(t, a, titleGrant)
	p, err := a.Authenticate(ctx, leaked)
	if err != nil {
		t.Fatal(err)
	}
	recoverAndUse(t, a, titleGrant)
	now = now.Add(time.Hour)
	if err := a.Purge(ctx, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.IssueFor(ctx, p, titleGrant, anyTitle); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("IssueFor: %v, want ErrUnauthorized", err)
	}
	if n := len(a.List()); n != 1 {
		t.Errorf("%d tokens are valid, want 1", n)
	}
}

// TestMakerOfAnotherAuthentication checks that a principal of another authentication makes tokens without a maker.
func TestMakerOfAnotherAuthentication(t *testing.T) {
	a := open(t, memstore.New(), nil)
	ann := auth.Principal{TokenID: "ann", Grant: adminGrant}
	token, id, err := a.IssueFor(t.Context(), ann, auth.Grant{Kind: auth.Editor}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(t.Context(), token); err != nil || p.Kind != auth.Editor {
		t.Errorf("the token: %+v, %v; want an editor's", p, err)
	}
	if i, ok := a.Info(id); !ok || len(i.Chain) != 0 {
		t.Errorf("Info() = %+v, %v; want no chain", i, ok)
	}
}
