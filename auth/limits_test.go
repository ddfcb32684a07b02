package auth_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestMaxChain(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, _ := issue(t, a, adminGrant)
	for range auth.MaxChain {
		token, _ = issueWith(t, a, token, adminGrant)
	}
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.IssueFor(t.Context(), p, p.Grant, anyTitle); !errors.Is(err, auth.ErrGrant) {
		t.Errorf("IssueFor: %v, want ErrGrant", err)
	}
}

// TestMaxMade checks that a title's or contributor's token has at most MaxMade valid descendants, at any depth, even if
// many are made concurrently.
func TestMaxMade(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name string
		root auth.Grant
	}{
		{"title", titleGrant},
		{"contributor", annGrant},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := open(t, &countingStore{Store: memstore.New()}, nil)
			root, rootID := issue(t, a, c.root)
			child, childID := issueWith(t, a, root, titleGrant)
			var wg sync.WaitGroup
			for i := range 4 * auth.MaxMade {
				wg.Go(func() {
					p, err := a.Authenticate(ctx, []string{root, child}[i%2])
					if err == nil {
						_, _, err = a.IssueFor(ctx, p, titleGrant, anyTitle)
					}
					if err != nil && !errors.Is(err, auth.ErrTooMany) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n, err := a.Descendants(t.Context(), rootID); err != nil || n != auth.MaxMade {
				t.Errorf("Descendants() = %d, %v, want %d", n, err, auth.MaxMade)
			}
			if _, _, err := a.Rotate(ctx, childID); err != nil {
				t.Errorf("Rotate at the limit, which adds no token: %v", err)
			}
			issueWith(t, a, root, titleGrant) // succeeds because Rotate ended the child and its descendants
		})
	}
	t.Run("administrator", func(t *testing.T) {
		a := open(t, memstore.New(), nil)
		admin, adminID := issue(t, a, adminGrant)
		for range auth.MaxMade + 1 {
			issueWith(t, a, admin, titleGrant)
		}
		if n, err := a.Descendants(t.Context(), adminID); err != nil || n != auth.MaxMade+1 {
			t.Errorf("Descendants() = %d, %v, want %d", n, err, auth.MaxMade+1)
		}
	})
}

// TestMaxMadePerHour checks that tokens are made and rotated at a limited rate, because each leaves a record
// in the store.
func TestMaxMadePerHour(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	token, id := issue(t, a, titleGrant)
	made := 0
	for range 3 * auth.MaxMadePerHour {
		next, nextID, err := a.Rotate(ctx, id)
		if errors.Is(err, auth.ErrTooMany) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		token, id = next, nextID
		made++
	}
	if made < auth.MaxMadePerHour/2 || made > auth.MaxMadePerHour {
		t.Errorf("%d tokens were rotated within an hour, want at most %d", made, auth.MaxMadePerHour)
	}
	if _, err := a.Authenticate(ctx, token); err != nil {
		t.Errorf("the last token: %v", err)
	}
	now = now.Add(61 * time.Minute)
	if _, _, err := a.Rotate(ctx, id); err != nil {
		t.Errorf("Rotate an hour later: %v", err)
	}
	admin, _ := issue(t, a, adminGrant)
	for range 2 * auth.MaxMadePerHour {
		issueWith(t, a, admin, titleGrant) // an administrator's tokens are not limited
	}
}

// makeUntilLimited makes tokens with the given token, and revokes each at once, until the hourly limit is reached. It
// returns the number of tokens that it made.
func makeUntilLimited(t *testing.T, a *auth.Service, token string, g auth.Grant) (made int) {
	t.Helper()
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * auth.MaxMadePerHour {
		_, id, err := a.IssueFor(t.Context(), p, g, anyTitle)
		if errors.Is(err, auth.ErrTooMany) {
			if text := err.Error(); !strings.Contains(text, "later") || strings.Contains(text, "revoke some") {
				t.Errorf("the error does not say that waiting helps: %q", text)
			}
			break
		}
		if err == nil {
			err = a.Revoke(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		made++
	}
	return made
}

// rotateUntilLimited rotates a token until the hourly limit is reached. It returns the number of rotations.
func rotateUntilLimited(t *testing.T, a *auth.Service, id string) (made int) {
	t.Helper()
	for range 2 * auth.MaxMadePerHour {
		_, next, err := a.Rotate(t.Context(), id)
		if errors.Is(err, auth.ErrTooMany) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		id = next
		made++
	}
	return made
}

// TestRateLimitOfAuthors checks that the hourly limit holds for all tokens of an author, regardless of their kind
// and of who made them.
func TestRateLimitOfAuthors(t *testing.T) {
	two := auth.Grant{Kind: auth.TitleToken, Titles: []string{"u", "v"}}
	second := auth.Grant{Kind: auth.TitleToken, Titles: []string{"v"}}
	alone := func(t *testing.T, a *auth.Service, g auth.Grant) (token, id string) { return issue(t, a, g) }
	byAdmin := func(t *testing.T, a *auth.Service, g auth.Grant) (token, id string) {
		admin, _ := issue(t, a, adminGrant)
		return issueWith(t, a, admin, g)
	}
	bySame := func(t *testing.T, a *auth.Service, g auth.Grant) (token, id string) {
		token, _ = issue(t, a, g)
		return issueWith(t, a, token, g)
	}
	for _, c := range []struct {
		name  string
		issue func(*testing.T, *auth.Service, auth.Grant) (token, id string)
		g     auth.Grant
		made  auth.Grant // the grant of the tokens that are made with it
	}{
		{"a title's token", alone, titleGrant, titleGrant},
		{"a title's token, made with another", bySame, titleGrant, titleGrant},
		{"a contributor's token makes its own kind", alone, annGrant, annGrant},
		{"a contributor's token makes a title's", alone, annGrant, titleGrant},
		{"a contributor's token, made with another", bySame, annGrant, titleGrant},
		{"a token for two titles makes one for the first", alone, two, titleGrant},
		{"a token for two titles makes one for the second", alone, two, second},
		{"a token for two titles, made with another", bySame, two, titleGrant},
		{"a title's token, made by an administrator", byAdmin, titleGrant, titleGrant},
		{"a contributor's token, made by an administrator", byAdmin, annGrant, titleGrant},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			clock := func() time.Time { return now }
			s := memstore.New()
			a := open(t, s, clock)
			token, id := c.issue(t, a, c.g)
			const limit = auth.MaxMadePerHour
			if n := makeUntilLimited(t, a, token, c.made); n < limit-2 || n > limit {
				t.Errorf("%d tokens were made within an hour, want about %d", n, limit)
			}
			if n := rotateUntilLimited(t, a, id); n != 0 {
				t.Errorf("%d tokens were rotated after that, want 0", n)
			}
			now = now.Add(61 * time.Minute)
			_, id, err := a.Rotate(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			a = open(t, s, clock) // a restart does not reset the limit
			if n := rotateUntilLimited(t, a, id); n < limit-2 || n > limit {
				t.Errorf("%d tokens were rotated an hour later, want about %d", n, limit)
			}
		})
	}
}

// TestRateLimitOfOthers checks that neither the tokens that administrators and editors make for a title nor those of a
// contributor count against the title's author.
func TestRateLimitOfOthers(t *testing.T) {
	a := open(t, memstore.New(), nil)
	author, authorID := issue(t, a, titleGrant)
	admin, _ := issue(t, a, adminGrant)
	editor, _ := issueWith(t, a, admin, auth.Grant{Kind: auth.Editor})
	given, givenID := issueWith(t, a, admin, titleGrant)
	contributor, contributorID := issue(t, a, annGrant)
	for range auth.MaxMadePerHour {
		issueWith(t, a, admin, titleGrant)
		issueWith(t, a, editor, titleGrant)
	}
	if n := makeUntilLimited(t, a, contributor, titleGrant); n == 2*auth.MaxMadePerHour {
		t.Errorf("the contributor made %d tokens within an hour", n)
	}
	issueWith(t, a, author, titleGrant)
	issueWith(t, a, given, titleGrant)
	for name, id := range map[string]string{"the author's token": authorID, "an administrator-made token": givenID} {
		if _, _, err := a.Rotate(t.Context(), id); err != nil {
			t.Errorf("Rotate of %s: %v", name, err)
		}
	}
	if _, _, err := a.Rotate(t.Context(), contributorID); !errors.Is(err, auth.ErrTooMany) {
		t.Errorf("Rotate of the contributor's token: %v, want ErrTooMany", err)
	}
}
