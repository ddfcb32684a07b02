package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A request that began with a token which has ended meanwhile makes nothing with it, also when its record is gone.
func TestMakerWhoseRecordIsGone(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	leaked, _ := issue(t, a, titles)
	thief, err := a.Authenticate(ctx, leaked)
	if err != nil {
		t.Fatal(err)
	}
	recovered, _, err := a.Recover(ctx, titles)
	if err == nil {
		_, err = a.Authenticate(ctx, recovered)
	}
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if err := a.Purge(ctx, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.IssueFor(ctx, thief, titles, func(string) bool { return true }); !errors.Is(
		err,
		auth.ErrUnauthorized,
	) {
		t.Errorf("%v, want ErrUnauthorized", err)
	}
	if n := len(a.List()); n != 1 {
		t.Errorf("%d tokens are good", n)
	}
}

// A token that waits for its first use is told apart, so that it is not ended by the holders of those that it will end;
// and it does not wait for ever.
func TestRecoveryToken(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	_, oldID := issue(t, a, titles)
	used, usedID, err := a.Recover(ctx, titles)
	if err != nil {
		t.Fatal(err)
	}
	late, _, err := a.Recover(ctx, titles)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{oldID: false, usedID: true} {
		if i, ok := a.Info(id); !ok || i.Recovery != want {
			t.Errorf("%+v %v, want Recovery %v", i, ok, want)
		}
	}
	if _, err := a.Authenticate(ctx, used); err != nil {
		t.Fatal(err)
	}
	if i, ok := a.Info(usedID); !ok || i.Recovery {
		t.Errorf("once used: %+v %v", i, ok)
	}
	now = now.Add(8 * 24 * time.Hour)
	if _, err := a.Authenticate(ctx, late); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("eight days later: %v", err)
	}
	if _, err := a.Authenticate(ctx, used); err != nil {
		t.Errorf("the one that was used: %v", err)
	}
}

// Tokens are made and exchanged at a bounded rate: each leaves a record.
func TestTokensAreNotMadeWithoutEnd(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	token, id := issue(t, a, titles)
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
		t.Errorf("%d were exchanged within an hour", made)
	}
	if _, err := a.Authenticate(ctx, token); err != nil {
		t.Errorf("the last one: %v", err)
	}
	now = now.Add(61 * time.Minute)
	if _, _, err := a.Rotate(ctx, id); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	admin, _ := issue(t, a, auth.Grant{Kind: auth.Administrator})
	for range 2 * auth.MaxMadePerHour {
		with(t, a, admin, titles) // an administrator's are not counted
	}
}

// If what an owner's epoch has come to is lost, a recovery ends the owner's tokens all the same.
func TestLostEpoch(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	a := open(t, s, nil)
	for range 3 {
		token, _, err := a.Recover(ctx, titles)
		if err == nil {
			_, err = a.Authenticate(ctx, token)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for r, err := range s.List(ctx, "epochs") {
		if err == nil {
			err = s.Delete(ctx, r.Key, store.Condition{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a = open(t, s, nil)
	token, id, err := a.Recover(ctx, titles)
	if err == nil {
		_, err = a.Authenticate(ctx, token)
	}
	if all := a.List(); err != nil || len(all) != 1 || all[0].ID != id {
		t.Errorf("%+v, %v", all, err)
	}
}

// A name that passes from one owner to another takes no token with it.
func TestEndAll(t *testing.T) {
	ctx := t.Context()
	a := open(t, memstore.New(), nil)
	g := auth.Grant{Kind: auth.Contributor, Contributor: "macman"}
	before, _ := issue(t, a, g)
	pending, _, err := a.Recover(ctx, g)
	if err == nil {
		err = a.RevokeOwned(ctx, g)
	}
	if err != nil {
		t.Fatal(err)
	}
	after, _ := issue(t, a, g)
	for token, good := range map[string]bool{before: false, pending: false, after: true} {
		if _, err := a.Authenticate(ctx, token); (err == nil) != good {
			t.Errorf("good is %v: %v", !good, err)
		}
	}
	if err := a.RevokeOwned(ctx, auth.Grant{Kind: auth.Administrator}); !errors.Is(err, auth.ErrGrant) {
		t.Errorf("of nobody: %v", err)
	}
}

// Names that nobody ever had a token of can be many: nothing is kept of them.
func TestEndAllOfNothing(t *testing.T) {
	ctx := t.Context()
	s := &counting{Store: memstore.New()}
	a := open(t, s, nil)
	g := auth.Grant{Kind: auth.Contributor, Contributor: "macman"}
	issue(t, a, auth.Grant{Kind: auth.Contributor, Contributor: "another"})
	before := s.puts.Load()
	if err := a.RevokeOwned(ctx, g); err != nil || s.puts.Load() != before {
		t.Errorf("%v, %d writes", err, s.puts.Load()-before)
	}
	token, _ := issue(t, a, g)
	for range 2 { // and once there is a record of the name, it is kept up to date
		if err := a.RevokeOwned(ctx, g); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Authenticate(ctx, token); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("%v, want ErrUnauthorized", err)
		}
		token, _ = issue(t, a, g)
	}
}

// A token is good although another server has ended the owner's earlier ones, and this one has not heard of it.
func TestIssueAfterAnEndElsewhere(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	g := auth.Grant{Kind: auth.Contributor, Contributor: "macman"}
	issue(t, there, g)
	if err := there.RevokeOwned(ctx, g); err != nil {
		t.Fatal(err)
	}
	token, _ := issue(t, here, g)
	for _, a := range []*auth.Service{here, open(t, s, nil)} {
		if _, err := a.Authenticate(ctx, token); err != nil {
			t.Error(err)
		}
	}
}

// churn makes tokens with a token and ends them at once, until it is made to stop, and returns how many.
func churn(t *testing.T, a *auth.Service, token string, g auth.Grant) (made int) {
	t.Helper()
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * auth.MaxMadePerHour {
		_, id, err := a.IssueFor(t.Context(), p, g, may)
		if errors.Is(err, auth.ErrTooMany) {
			if text := err.Error(); !strings.Contains(text, "later") || strings.Contains(text, "end some") {
				t.Errorf("%q does not say what helps", text)
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

// exchange exchanges a token until it is made to stop, and returns how often.
func exchange(t *testing.T, a *auth.Service, id string) (made int) {
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

// Whatever a token is good for, and whoever made it, what is made with it and in its place is counted.
func TestTokensAreCountedByTheirOwner(t *testing.T) {
	ann := auth.Grant{Kind: auth.Contributor, Contributor: "ann"}
	two := auth.Grant{Kind: auth.TitleToken, Titles: []string{"u", "v"}}
	first := func(t *testing.T, a *auth.Service, g auth.Grant) (token, id string) { return issue(t, a, g) }
	admins := func(t *testing.T, a *auth.Service, g auth.Grant) (token, id string) {
		admin, _ := issue(t, a, auth.Grant{Kind: auth.Administrator})
		return with(t, a, admin, g)
	}
	below := func(t *testing.T, a *auth.Service, g auth.Grant) (token, id string) {
		token, _ = issue(t, a, g)
		return with(t, a, token, g)
	}
	for _, c := range []struct {
		name string
		make func(*testing.T, *auth.Service, auth.Grant) (token, id string)
		g    auth.Grant
		made auth.Grant // with it
	}{
		{"a title's", first, titles, titles},
		{"a title's, made with another", below, titles, titles},
		{"a contributor's makes its own", first, ann, ann},
		{"a contributor's makes a title's", first, ann, titles},
		{"a contributor's, made with another", below, ann, titles},
		{"of two titles makes one for the first", first, two, titles},
		{"of two titles makes one for the second", first, two, auth.Grant{Kind: auth.TitleToken, Titles: []string{"v"}}},
		{"of two titles, made with another", below, two, titles},
		{"a title's that an administrator made", admins, titles, titles},
		{"a contributor's that an administrator made", admins, ann, titles},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			clock := func() time.Time { return now }
			s := memstore.New()
			a := open(t, s, clock)
			token, id := c.make(t, a, c.g)
			if n := churn(t, a, token, c.made); n < auth.MaxMadePerHour-2 || n > auth.MaxMadePerHour {
				t.Errorf("%d were made within an hour", n)
			}
			if n := exchange(t, a, id); n != 0 {
				t.Errorf("then %d were exchanged", n)
			}
			now = now.Add(61 * time.Minute)
			_, id, err := a.Rotate(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			a = open(t, s, clock) // a restart forgets nothing
			if n := exchange(t, a, id); n < auth.MaxMadePerHour-2 || n > auth.MaxMadePerHour {
				t.Errorf("an hour later %d were exchanged", n)
			}
		})
	}
}

// What others make for a title, and the tokens of other owners, keep no owner from theirs.
func TestTokensOfOthersAreNotCounted(t *testing.T) {
	ann := auth.Grant{Kind: auth.Contributor, Contributor: "ann"}
	a := open(t, memstore.New(), nil)
	author, authorID := issue(t, a, titles)
	admin, _ := issue(t, a, auth.Grant{Kind: auth.Administrator})
	editor, _ := with(t, a, admin, auth.Grant{Kind: auth.Editor})
	given, givenID := with(t, a, admin, titles)
	contributor, contributorID := issue(t, a, ann)
	for range auth.MaxMadePerHour {
		with(t, a, admin, titles)
		with(t, a, editor, titles)
	}
	if n := churn(t, a, contributor, titles); n == 2*auth.MaxMadePerHour {
		t.Errorf("%d were made within an hour", n)
	}
	for name, token := range map[string]string{"the author's": author, "an administrator's gift": given} {
		p, err := a.Authenticate(t.Context(), token)
		if err == nil {
			_, _, err = a.IssueFor(t.Context(), p, titles, may)
		}
		if err != nil {
			t.Errorf("with %s: %v", name, err)
		}
	}
	for name, id := range map[string]string{"the author's": authorID, "an administrator's gift": givenID} {
		if _, _, err := a.Rotate(t.Context(), id); err != nil {
			t.Errorf("in the place of %s: %v", name, err)
		}
	}
	if _, _, err := a.Rotate(t.Context(), contributorID); !errors.Is(err, auth.ErrTooMany) {
		t.Errorf("in the place of the contributor's: %v, want ErrTooMany", err)
	}
}
