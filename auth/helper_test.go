package auth_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
)

// Grants that many tests use.
var (
	adminGrant = auth.Grant{Kind: auth.Administrator}
	titleGrant = auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}}
	annGrant   = auth.Grant{Kind: auth.Contributor, Contributor: "ann"}
)

// open opens a Service over a store. If now is nil, it uses the system's clock.
func open(t testing.TB, s store.Store, now func() time.Time) *auth.Service {
	t.Helper()
	a, err := auth.Open(context.Background(), s, &auth.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a token.
func issue(t testing.TB, a *auth.Service, g auth.Grant) (token, id string) {
	t.Helper()
	token, id, err := a.Issue(context.Background(), g)
	if err != nil {
		t.Fatal(err)
	}
	return token, id
}

// anyTitle lets a maker change any title.
func anyTitle(string) bool { return true }

// issueWith makes a token with another one.
func issueWith(t testing.TB, a *auth.Service, maker string, g auth.Grant) (token, id string) {
	t.Helper()
	p, err := a.Authenticate(context.Background(), maker)
	if err != nil {
		t.Fatal(err)
	}
	token, id, err = a.IssueFor(context.Background(), p, g, anyTitle)
	if err != nil {
		t.Fatal(err)
	}
	return token, id
}

// recoverAndUse recovers the tokens of an owner and uses the new one, which ends the others.
func recoverAndUse(t testing.TB, a *auth.Service, g auth.Grant) (token, id string) {
	t.Helper()
	token, id, err := a.Recover(context.Background(), g)
	if err == nil {
		_, err = a.Authenticate(context.Background(), token)
	}
	if err != nil {
		t.Fatal(err)
	}
	return token, id
}

// allows reports whether the default policy lets p perform an action on a title.
func allows(p auth.Principal, a auth.Action, title auth.Title) bool {
	return auth.Authorize(context.Background(), p, a, title) == nil
}

// checkValid checks which tokens are valid. want and tokens have the same names as keys.
func checkValid(t testing.TB, a *auth.Service, want map[string]bool, tokens map[string]string) {
	t.Helper()
	got := map[string]bool{}
	for name := range want {
		_, err := a.Authenticate(context.Background(), tokens[name])
		if err != nil && !errors.Is(err, auth.ErrUnauthorized) {
			t.Fatal(err)
		}
		got[name] = err == nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("valid tokens: -want +got\n%s", diff)
	}
}

// checkUnauthorized checks that a token is not valid.
func checkUnauthorized(t testing.TB, a *auth.Service, token string) {
	t.Helper()
	if _, err := a.Authenticate(context.Background(), token); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("Authenticate: %v, want ErrUnauthorized", err)
	}
}

// A countingStore counts its writes and can refuse those of one kind. It yields to other goroutines before each write.
type countingStore struct {
	store.Store
	puts    atomic.Int64
	refused atomic.Pointer[string] // the kind whose writes fail
}

func (c *countingStore) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	c.puts.Add(1)
	runtime.Gosched()
	if kind := c.refused.Load(); kind != nil && *kind == k.Kind {
		return "", errors.New("the disk is full")
	}
	return c.Store.Put(ctx, k, v, cond)
}

// records returns the number of records of a kind.
func records(t testing.TB, s store.Store, kind string) (n int) {
	t.Helper()
	for _, err := range s.List(context.Background(), kind) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
