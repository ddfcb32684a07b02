package auth_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestTokensAreFoundByTag checks that the tokens that concern a title's or a contributor's token are found without
// looking at those of others.
func TestTokensAreFoundByTag(t *testing.T) {
	const others = 500
	a := open(t, memstore.New(), nil)
	for i := range others {
		issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{fmt.Sprint("other", i)}})
		issue(t, a, auth.Grant{Kind: auth.Contributor, Contributor: fmt.Sprint("other", i)})
	}
	for _, c := range []struct {
		grant auth.Grant
		uids  []string
	}{
		{titleGrant, titleGrant.Titles},
		{annGrant, []string{"u", "v"}},
		{auth.Grant{Kind: auth.TitleToken, Titles: []string{"u", "v"}}, []string{"u", "v"}},
	} {
		root, _ := issue(t, a, c.grant)
		child, _ := issueWith(t, a, root, titleGrant)
		issueWith(t, a, child, titleGrant)
		p, err := a.Authenticate(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		related, made, counted := a.TableSizes(p, c.uids)
		if made != 2 || related < 3 || related > 20 || counted < 3 || counted > 20 {
			t.Errorf("%v: looks at %d related tokens, %d made with it and %d for its rate; want few, 2 and few",
				c.grant, related, made, counted)
		}
		if n := len(a.ListRelated(p, c.uids)); n != related {
			t.Errorf("%v: lists %d tokens, want %d", c.grant, n, related)
		}
	}
}

// TestTagsFollowTokens makes, rotates, revokes and purges tokens at random, also on another server, and checks that
// the index by tags finds the same tokens as a scan of all of them.
func TestTagsFollowTokens(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s, tokens, _ := format1Store(t, title("a", ""), title("b", "a"), title("c", "b"), title("d", ""), title("e", "d"))
	now := time.Now()
	clock := func() time.Time { return now }
	a := open(t, s, clock)
	live := []string{tokens["a"], tokens["b"], tokens["c"], tokens["e"]}
	grants := []auth.Grant{adminGrant, titleGrant, annGrant, {Kind: auth.TitleToken, Titles: []string{"v", "u", "v"}}}
	for i := range 300 {
		now = now.Add(time.Minute)
		at := r.IntN(len(live))
		p, err := a.Authenticate(t.Context(), live[at])
		switch n := r.IntN(12); {
		case err != nil:
			live[at], _ = issue(t, a, grants[r.IntN(len(grants))])
		case n < 5:
			var made string
			if made, _, err = a.IssueFor(t.Context(), p, grants[r.IntN(len(grants))], anyTitle); err == nil {
				live = append(live, made)
			}
		case n < 8:
			live[at], _, err = a.Rotate(t.Context(), p.TokenID)
		case n < 9:
			err = a.Revoke(t.Context(), p.TokenID)
		case n < 10:
			live[at], _ = recoverAndUse(t, a, titleGrant)
		case n < 11:
			err = a.Purge(t.Context(), now.Add(-time.Hour))
		default:
			a = open(t, s, clock)
		}
		if err != nil && !errors.Is(err, auth.ErrUnauthorized) && !errors.Is(err, auth.ErrDenied) &&
			!errors.Is(err, auth.ErrTooMany) && !errors.Is(err, auth.ErrGrant) {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if err := a.CheckTags(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
