package auth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

// may lets a token reach any title.
func may(string) bool { return true }

// titles is what most tokens here are good for.
var titles = auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}}

// with makes a token with another one.
func with(t testing.TB, a *auth.Service, maker string, g auth.Grant) (token, id string) {
	t.Helper()
	p, err := a.Authenticate(context.Background(), maker)
	if err != nil {
		t.Fatal(err)
	}
	token, id, err = a.IssueFor(context.Background(), p, g, may)
	if err != nil {
		t.Fatal(err)
	}
	return token, id
}

// check checks which of some tokens are good.
func check(t testing.TB, a *auth.Service, want map[string]bool, names map[string]string) {
	t.Helper()
	got := map[string]bool{}
	for name := range want {
		_, err := a.Authenticate(context.Background(), names[name])
		if err != nil && !errors.Is(err, auth.ErrUnauthorized) {
			t.Fatal(err)
		}
		got[name] = err == nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("which tokens are good: -want +got\n%s", diff)
	}
}

// Ending a token, or exchanging it, ends all that was made with it, at any depth, in one write.
func TestEndingATokenEndsThoseMadeWithIt(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(a *auth.Service, id string) error
	}{
		{"revoked", func(a *auth.Service, id string) error { return a.Revoke(context.Background(), id) }},
		{"exchanged", func(a *auth.Service, id string) error {
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
			writes := &counting{Store: s}
			a := open(t, writes, nil)
			names := map[string]string{}
			var leaked string
			names["admin"], _ = issue(t, a, auth.Grant{Kind: auth.Administrator})
			names["leaked"], leaked = with(t, a, names["admin"], titles)
			names["child"], _ = with(t, a, names["leaked"], titles)
			names["grandchild"], _ = with(t, a, names["child"], titles)
			names["sibling"], _ = with(t, a, names["admin"], titles)
			if n := a.Descendants(leaked); n != 2 {
				t.Errorf("%d tokens below, want 2", n)
			}
			before := writes.puts.Load()
			if err := c.end(a, leaked); err != nil {
				t.Fatal(err)
			}
			if n := writes.puts.Load() - before; n > 2 {
				t.Errorf("%d writes", n)
			}
			want := map[string]bool{
				"admin": true, "sibling": true, "leaked": false, "child": false, "grandchild": false,
			}
			for _, a := range []*auth.Service{a, open(t, s, nil)} {
				check(t, a, want, names)
			}
			if n := a.Descendants(leaked); n != 0 {
				t.Errorf("afterwards %d tokens below", n)
			}
			// Nor does any of them come back when the records are swept away.
			later := open(t, s, func() time.Time { return time.Now().Add(time.Hour) })
			for range 3 {
				if err := later.Purge(t.Context(), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			check(t, later, want, names)
		})
	}
}

// A token that takes another's place is made with the same tokens as that one: it ends with them.
func TestExchangedTokenStaysInItsChain(t *testing.T) {
	a := open(t, memstore.New(), nil)
	names := map[string]string{}
	names["root"], _ = issue(t, a, titles)
	rootID := a.List()[0].ID
	_, childID := with(t, a, names["root"], auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}, Name: "laptop"})
	var err error
	if names["next"], _, err = a.Rotate(t.Context(), childID); err != nil {
		t.Fatal(err)
	}
	for _, i := range a.List() {
		if i.ID != rootID && (i.Name != "laptop" || !cmp.Equal(i.Chain, []string{rootID})) {
			t.Errorf("%+v", i)
		}
	}
	check(t, a, map[string]bool{"root": true, "next": true}, names)
	if err := a.Revoke(t.Context(), rootID); err != nil {
		t.Fatal(err)
	}
	check(t, a, map[string]bool{"root": false, "next": false}, names)
}

// A token that was authenticated before it ended makes none that are good.
func TestMakerThatHasEnded(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, id := issue(t, a, titles)
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.IssueFor(t.Context(), p, titles, may); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("%v, want ErrUnauthorized", err)
	}
	if _, _, err := a.Rotate(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

func TestChainIsBounded(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, _ := issue(t, a, auth.Grant{Kind: auth.Administrator})
	for range auth.MaxChain {
		token, _ = with(t, a, token, auth.Grant{Kind: auth.Administrator})
	}
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.IssueFor(t.Context(), p, p.Grant, may); !errors.Is(err, auth.ErrGrant) {
		t.Errorf("%v, want ErrGrant", err)
	}
}

// No more than MaxMade tokens below a title's token are live, in whatever shape they were made, and also if many are
// made at once.
func TestTokensMadeAreBounded(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name string
		root auth.Grant
	}{
		{"of a title", titles},
		{"of a contributor", auth.Grant{Kind: auth.Contributor, Contributor: "ann"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := open(t, &counting{Store: memstore.New()}, nil)
			root, rootID := issue(t, a, c.root)
			child, childID := with(t, a, root, titles)
			var wg sync.WaitGroup
			for i := range 4 * auth.MaxMade {
				wg.Go(func() {
					p, err := a.Authenticate(ctx, []string{root, child}[i%2])
					if err == nil {
						_, _, err = a.IssueFor(ctx, p, titles, may)
					}
					if err != nil && !errors.Is(err, auth.ErrTooMany) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := a.Descendants(rootID); n != auth.MaxMade {
				t.Errorf("%d tokens, want %d", n, auth.MaxMade)
			}
			if _, _, err := a.Rotate(ctx, childID); err != nil {
				t.Errorf("an exchange, which makes none more: %v", err)
			}
			with(t, a, root, titles) // the child has ended, with all below it
		})
	}
	a := open(t, memstore.New(), nil)
	admin, adminID := issue(t, a, auth.Grant{Kind: auth.Administrator})
	for range auth.MaxMade + 1 {
		with(t, a, admin, titles)
	}
	if n := a.Descendants(adminID); n != auth.MaxMade+1 {
		t.Errorf("an administrator's token made %d", n)
	}
}

// Principals of another authentication make tokens, too: these stand by themselves.
func TestMakerOfAnotherAuthentication(t *testing.T) {
	a := open(t, memstore.New(), nil)
	ann := auth.Principal{TokenID: "ann", Grant: auth.Grant{Kind: auth.Administrator}}
	token, _, err := a.IssueFor(t.Context(), ann, auth.Grant{Kind: auth.Editor}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Authenticate(t.Context(), token)
	if err != nil || !p.MayCreate() || p.MayAdminister() || !p.MayChange("u", "") || !p.MayChange("u", "macman") {
		t.Errorf("%+v %v", p, err)
	}
}

func TestRevokeUnlessLast(t *testing.T) {
	ctx := t.Context()
	a := open(t, memstore.New(), nil)
	first, firstID := issue(t, a, auth.Grant{Kind: auth.Administrator})
	_, belowID := with(t, a, first, auth.Grant{Kind: auth.Administrator})
	_, titleID := with(t, a, first, titles)
	if err := a.RevokeUnlessLast(ctx, "none"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("a token that is not there: %v", err)
	}
	if err := a.RevokeUnlessLast(ctx, firstID); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Errorf("the one that the other was made with: %v", err)
	}
	if err := errors.Join(a.RevokeUnlessLast(ctx, belowID), a.RevokeUnlessLast(ctx, titleID)); err != nil {
		t.Errorf("those that were made with it: %v", err)
	}
	_, otherID := issue(t, a, auth.Grant{Kind: auth.Administrator})
	if err := a.RevokeUnlessLast(ctx, firstID); err != nil {
		t.Errorf("one of two: %v", err)
	}
	if err := a.RevokeUnlessLast(ctx, otherID); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Errorf("the last: %v", err)
	}
	if err := a.Revoke(ctx, otherID); err != nil {
		t.Errorf("the last, confirmed: %v", err)
	}
}

// Of two that end the last two administrators' tokens at once, one is stopped.
func TestLastAdministratorsEndedAtOnce(t *testing.T) {
	for range 100 {
		a := open(t, memstore.New(), nil)
		var stopped atomic.Int32
		var group sync.WaitGroup
		for range 2 {
			_, id := issue(t, a, auth.Grant{Kind: auth.Administrator})
			group.Go(func() {
				if errors.Is(a.RevokeUnlessLast(t.Context(), id), auth.ErrLastAdministrator) {
					stopped.Add(1)
				}
			})
		}
		group.Wait()
		if stopped.Load() > 1 {
			t.Fatal("both were stopped")
		}
		if n := len(a.List()); n != 1 {
			t.Fatalf("%d administrators are left", n)
		}
	}
}

func BenchmarkAuthenticateBelowMany(b *testing.B) {
	a := open(b, memstore.New(), nil)
	admin, _ := issue(b, a, auth.Grant{Kind: auth.Administrator})
	token := admin
	for range 3 {
		token, _ = with(b, a, token, auth.Grant{Kind: auth.Administrator})
	}
	for range 1000 {
		with(b, a, admin, titles)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}
