package auth_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A muted is the connection of one server to a store that others use as well. While it is mute, it performs writes and
// reports that they failed.
type muted struct {
	*memstore.Store
	mute atomic.Bool
	puts atomic.Int64
}

func (m *muted) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	m.puts.Add(1)
	rev, err := m.Store.Put(ctx, k, v, c)
	if err == nil && m.mute.Load() {
		return "", errors.New("the record was changed, but other servers may not know it yet")
	}
	return rev, err
}

// An unaware is the connection of a server to which no changes come from a mute one, though heartbeats do.
type unaware struct {
	*memstore.Store
	other *muted
}

func (u unaware) WatchHeartbeats(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for c, err := range u.Store.WatchHeartbeats(ctx, kind) {
			if c.Key != (store.Key{}) && u.other.mute.Load() {
				continue
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// A revocation is one way to end the token with an id. recovered is a token of the same owner that was never used.
type revocation func(ctx context.Context, a *auth.Service, id, recovered string) error

func revoke(ctx context.Context, a *auth.Service, id, _ string) error { return a.Revoke(ctx, id) }

// A revocation whose write was performed, but of which other servers have not learned, is written again when it is
// repeated at any server, so that they learn of it.
func TestRepeatedRevocationIsAnnounced(t *testing.T) {
	for name, test := range map[string]struct {
		first, again revocation
		want         error
	}{
		"Revoke": {revoke, revoke, auth.ErrNotFound},
		"Find and RevokeUnlessLast": {revoke, func(ctx context.Context, a *auth.Service, id, _ string) error {
			if _, err := a.Find(ctx, id); err != nil {
				return err
			}
			return a.RevokeUnlessLast(ctx, id)
		}, auth.ErrNotFound},
		"Rotate": {revoke, func(ctx context.Context, a *auth.Service, id, _ string) error {
			_, _, err := a.Rotate(ctx, id)
			return err
		}, auth.ErrNotFound},
		"RevokeTitle": {revoke, func(ctx context.Context, a *auth.Service, _, _ string) error {
			return a.RevokeTitle(ctx, "u")
		}, nil},
		"RevokeOwned":  {revokeOwned, revokeOwned, nil},
		"Authenticate": {firstUse, firstUse, nil},
	} {
		for _, where := range []string{"same server", "other server", "after a restart"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
					testRepeated(t, follow, where, test.first, test.again, test.want)
				})
			})
		}
	}
}

func revokeOwned(ctx context.Context, a *auth.Service, _, _ string) error {
	return a.RevokeOwned(ctx, titleGrant)
}

func firstUse(ctx context.Context, a *auth.Service, _, recovered string) error {
	_, err := a.Authenticate(ctx, recovered)
	return err
}

// testRepeated is a case of TestRepeatedRevocationIsAnnounced. where names the server at which the call is repeated.
func testRepeated(
	t *testing.T, follow func(*auth.Service), where string, first, again revocation, want error,
) {
	s := memstore.New()
	m := &muted{Store: s}
	here, there, third := open(t, unaware{s, m}, nil), open(t, m, nil), open(t, unaware{s, m}, nil)
	issue(t, there, adminGrant)
	token, id := issue(t, there, titleGrant)
	recovered, _, err := there.Recover(t.Context(), titleGrant)
	if err != nil {
		t.Fatal(err)
	}
	follow(here)
	follow(third)
	later(time.Second)
	m.mute.Store(true)
	if err := first(t.Context(), there, id, recovered); !errors.Is(err, auth.ErrUnavailable) {
		t.Fatalf("the first call: %v, want ErrUnavailable", err)
	}
	later(time.Second)
	if err := again(t.Context(), there, id, recovered); !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("a repeated call of which others cannot learn either: %v, want ErrUnavailable", err)
	}
	later(time.Second)
	m.mute.Store(false)
	server := map[string]*auth.Service{"same server": there, "other server": third}[where]
	if server == nil {
		server = open(t, s, nil)
	}
	if err := again(t.Context(), server, id, recovered); !errors.Is(err, want) {
		t.Errorf("the last call: %v, want %v", err, want)
	}
	later(time.Second)
	checkUnauthorized(t, here, token)
}

// The first use of a token by many requests at once ends the earlier tokens in few writes.
func TestFirstUseByManyRequests(t *testing.T) {
	s := memstore.New()
	m := &muted{Store: s}
	a := open(t, m, nil)
	token, _, err := a.Recover(t.Context(), titleGrant)
	if err != nil {
		t.Fatal(err)
	}
	before := m.puts.Load()
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := a.Authenticate(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := m.puts.Load() - before; n != 1 {
		t.Errorf("100 calls write %d records, want 1", n)
	}
}
