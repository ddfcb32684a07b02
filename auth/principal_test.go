package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

// checkNoPrincipal checks that a token has no principal.
func checkNoPrincipal(t testing.TB, a *auth.Service, id string) {
	t.Helper()
	if p, err := a.Principal(context.Background(), id); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("Principal(%.80q): %+v, %.80v, want ErrUnauthorized", id, p, err)
	}
}

// The principal of a token is the one that the token authenticates, for as long as it does.
func TestPrincipal(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		grant auth.Grant
		end   func(a *auth.Service, makerID, id string) error // nil: nothing ends the token
	}{
		"valid": {titleGrant, nil},
		"revoked": {adminGrant, func(a *auth.Service, _, id string) error {
			return a.Revoke(context.Background(), id)
		}},
		"maker revoked": {adminGrant, func(a *auth.Service, makerID, _ string) error {
			return a.Revoke(context.Background(), makerID)
		}},
		"later epoch": {titleGrant, func(a *auth.Service, _, _ string) error {
			token, _, err := a.Recover(context.Background(), titleGrant)
			if err == nil {
				_, err = a.Authenticate(context.Background(), token)
			}
			return err
		}},
		"expired": {auth.Grant{Kind: auth.Administrator, Expires: now.Add(time.Hour)},
			func(*auth.Service, string, string) error {
				now = now.Add(time.Hour)
				return nil
			}},
	} {
		t.Run(name, func(t *testing.T) {
			now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			a := open(t, memstore.New(), func() time.Time { return now })
			g := c.grant
			g.Expires = time.Time{}
			maker, makerID := issue(t, a, g)
			token, id := issueWith(t, a, maker, c.grant)
			want, err := a.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Principal(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(),
				cmp.AllowUnexported(auth.Principal{})); diff != "" {
				t.Errorf("principal: -want +got\n%s", diff)
			}
			if c.end == nil {
				return
			}
			if err := c.end(a, makerID, id); err != nil {
				t.Fatal(err)
			}
			checkNoPrincipal(t, a, id)
		})
	}
}

// An id that no token has is refused, whatever it looks like.
func TestPrincipalOfNoToken(t *testing.T) {
	a := open(t, memstore.New(), nil)
	token, id := issue(t, a, adminGrant)
	for _, id := range []string{
		"", "x", "aaaaaaaaaaaa", strings.ToUpper(id), token, id + " ", id + "/", "../" + id, strings.Repeat("a",
			1<<16), "\x00",
	} {
		checkNoPrincipal(t, a, id)
	}
}

// A token that another server has just made has a principal at once, and one that it has revoked has none after five
// seconds at most, also while the watch is cut off. If the store does not answer, there is no principal either.
func TestPrincipalAtSeveralServers(t *testing.T) {
	inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
		s := memstore.New()
		near := &link{Store: s}
		here, there := open(t, near, nil), open(t, s, nil)
		follow(here)
		near.deaf.Store(true)
		_, id := issue(t, there, adminGrant)
		if _, err := here.Principal(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := there.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		later(5*time.Second + time.Millisecond)
		checkNoPrincipal(t, here, id)

		_, id = issue(t, there, adminGrant)
		if _, err := here.Principal(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		near.cut.Store(true)
		later(5*time.Second + time.Millisecond)
		if _, err := here.Principal(t.Context(), id); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("without the store: %v, want ErrUnavailable", err)
		}
	})
}
