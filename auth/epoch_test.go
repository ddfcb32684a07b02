package auth_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// counting counts the writes to a store, and can refuse those of a kind. Other goroutines get their turn before one.
type counting struct {
	store.Store
	puts  atomic.Int64
	fails atomic.Pointer[string]
}

func (c *counting) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	c.puts.Add(1)
	runtime.Gosched()
	if kind := c.fails.Load(); kind != nil && *kind == k.Kind {
		return "", errors.New("the disk is full")
	}
	return c.Store.Put(ctx, k, v, cond)
}

func TestRecover(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name string
		g    auth.Grant
	}{
		{"of a title", titles},
		{"of a contributor", auth.Grant{Kind: auth.Contributor, Contributor: "ann"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &counting{Store: memstore.New()}
			a := open(t, s, nil)
			names := map[string]string{}
			names["admin"], _ = issue(t, a, auth.Grant{Kind: auth.Administrator})
			names["administrator's"], _ = with(t, a, names["admin"], c.g)
			names["old"], _ = issue(t, a, c.g)
			names["made with the old"], _ = with(t, a, names["old"], titles)
			names["another owner's"], _ = issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"v"}})
			var err error
			if names["first new"], _, err = a.Recover(ctx, c.g); err != nil {
				t.Fatal(err)
			}
			if names["new"], _, err = a.Recover(ctx, c.g); err != nil {
				t.Fatal(err)
			}
			all := map[string]bool{
				"administrator's": true, "old": true, "made with the old": true, "another owner's": true,
			}
			check(t, a, all, names)
			a = open(t, s, nil) // a restart forgets nothing
			names["made meanwhile"], _ = with(t, a, names["made with the old"], titles)
			// The new one is not good before the old ones have ended.
			kind := "epochs"
			s.fails.Store(&kind)
			if _, err := a.Authenticate(ctx, names["new"]); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
			check(t, a, all, names)
			s.fails.Store(nil)
			before := s.puts.Load()
			if _, err := a.Authenticate(ctx, names["new"]); err != nil {
				t.Fatal(err)
			}
			if n := s.puts.Load() - before; n != 1 {
				t.Errorf("%d writes, want 1", n)
			}
			names["made with the new"], _ = with(t, a, names["new"], titles)
			for _, a := range []*auth.Service{a, open(t, s, nil)} {
				check(t, a, map[string]bool{
					"admin": true, "administrator's": true, "another owner's": true,
					"old": false, "made with the old": false, "made meanwhile": false, "first new": false,
					"new": true, "made with the new": true,
				}, names)
			}
			// And a token that is issued after it is good.
			names["issued later"], _ = issue(t, a, c.g)
			check(t, a, map[string]bool{"new": true, "issued later": true}, names)
		})
	}
	a := open(t, memstore.New(), nil)
	several := auth.Grant{Kind: auth.TitleToken, Titles: []string{"u", "v"}}
	for _, g := range []auth.Grant{{Kind: auth.Administrator}, {Kind: auth.Editor}, several, {}} {
		if _, _, err := a.Recover(ctx, g); !errors.Is(err, auth.ErrGrant) {
			t.Errorf("%+v: %v, want ErrGrant", g, err)
		}
	}
}

// A take-over is not beaten by tokens that are made while it happens, with the old token or with those made with it, or
// in its place.
func TestRecoveryRacesWithMakers(t *testing.T) {
	ctx := t.Context()
	const rounds, makers = 300, 4
	made, survived := 0, 0
	for range rounds {
		a := open(t, memstore.New(), nil)
		old, oldID := issue(t, a, titles)
		next, _, err := a.Recover(ctx, titles)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		tokens := []string{old}
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range makers {
			wg.Go(func() {
				<-start
				token := old
				for range 3 {
					p, err := a.Authenticate(ctx, token)
					if err != nil {
						return
					}
					made, id, err := a.IssueFor(ctx, p, titles, may)
					if i == 0 && err == nil {
						made, _, err = a.Rotate(ctx, id)
					}
					if err != nil {
						return
					}
					mu.Lock()
					tokens = append(tokens, made)
					mu.Unlock()
					token = made
				}
			})
		}
		wg.Go(func() {
			<-start
			if token, _, err := a.Rotate(ctx, oldID); err == nil {
				mu.Lock()
				tokens = append(tokens, token)
				mu.Unlock()
			}
		})
		wg.Go(func() {
			<-start
			if _, err := a.Authenticate(ctx, next); err != nil {
				t.Error(err)
			}
		})
		close(start)
		wg.Wait()
		made += len(tokens)
		for _, token := range tokens {
			if _, err := a.Authenticate(ctx, token); !errors.Is(err, auth.ErrUnauthorized) {
				survived++
			}
		}
		if _, err := a.Authenticate(ctx, next); err != nil {
			t.Error(err)
		}
	}
	if survived > 0 {
		t.Errorf("%d of %d tokens survived", survived, made)
	}
}

// One server ends the tokens, another one hears of it.
func TestFollowEpochs(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	old, _ := issue(t, there, titles)
	next, _, err := there.Recover(t.Context(), titles)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); here.Follow(ctx) }()
	eventually(t, here, old, true)
	if _, err := there.Authenticate(ctx, next); err != nil {
		t.Fatal(err)
	}
	eventually(t, here, old, false)
	cancel()
	<-ended
}

// Of a title that is gone nothing is left.
func TestRevokeAllForgetsTheEpoch(t *testing.T) {
	s := memstore.New()
	a := open(t, s, nil)
	next, _, err := a.Recover(t.Context(), titles)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeTitle(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	for r := range s.List(t.Context(), "epochs") {
		t.Errorf("%s is left", r.Key)
	}
	if _, err := a.Authenticate(t.Context(), next); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("%v", err)
	}
}
