package auth_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestClaim checks that a server can be claimed once, with the right code.
func TestClaim(t *testing.T) {
	s := memstore.New()
	a := open(t, s, nil)
	code := a.ClaimCode()
	for _, wrong := range []string{"", "x", code + "x"} {
		if _, err := a.Claim(t.Context(), wrong); !errors.Is(err, auth.ErrClaimed) {
			t.Errorf("Claim(%q): %v, want ErrClaimed", wrong, err)
		}
	}
	var mu sync.Mutex
	var tokens []string
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			token, err := a.Claim(context.Background(), code)
			if err != nil && !errors.Is(err, auth.ErrClaimed) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				tokens = append(tokens, token)
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%d of 20 claims succeeded, want 1", len(tokens))
	}
	if p, err := a.Authenticate(t.Context(), tokens[0]); err != nil || p.Kind != auth.Administrator {
		t.Errorf("the token: %+v, %v; want an administrator's", p, err)
	}
	for name, a := range map[string]*auth.Service{"same server": a, "after a restart": open(t, s, nil)} {
		if code := a.ClaimCode(); code != "" {
			t.Errorf("%s: ClaimCode() = %q, want none", name, code)
		}
	}
}

// claimKey is the record of the last claim.
var claimKey = store.Key{Kind: "config", ID: "claim"}

// Of several servers over a store, one is claimed, and its record names a hash of the code only.
func TestClaimOfSeveralServers(t *testing.T) {
	for range 20 {
		s := memstore.New()
		var servers []*auth.Service
		for range 4 {
			servers = append(servers, open(t, s, nil))
		}
		var claimed atomic.Int64
		var all sync.WaitGroup
		for _, a := range servers {
			code := a.ClaimCode()
			all.Go(func() {
				_, err := a.Claim(context.Background(), code)
				if err == nil {
					claimed.Add(1)
				} else if !errors.Is(err, auth.ErrClaimed) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := claimed.Load(); n != 1 || records(t, s, "tokens") != 1 {
			t.Fatalf("%d of 4 servers were claimed, with %d tokens; want 1", n, records(t, s, "tokens"))
		}
		r, err := s.Get(t.Context(), claimKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range servers {
			if code := a.ClaimCode(); code != "" && bytes.Contains(r.Value, []byte(code)) {
				t.Errorf("the record contains the code: %s", r.Value)
			}
		}
	}
}

// The claim of a server that stopped in the middle of it is taken over after ten seconds, however the clocks go. A
// server that had only paused does not get a token then.
func TestClaimIsTakenOver(t *testing.T) {
	inBubble(t, func(t *testing.T, _ func(*auth.Service)) {
		s := &pausingStore{Store: memstore.New(), paused: make(chan struct{}), resume: make(chan struct{})}
		slow, here := open(t, s, nil), open(t, s.Store, nil)
		var slowErr error
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, slowErr = slow.Claim(context.Background(), slow.ClaimCode())
		}()
		<-s.paused
		code := here.ClaimCode()
		if _, err := here.Claim(t.Context(), code); !errors.Is(err, auth.ErrClaimed) {
			t.Errorf("while another server is being claimed: %v, want ErrClaimed", err)
		}
		later(10 * time.Second)
		if _, err := here.Claim(t.Context(), code); err != nil {
			t.Fatalf("after ten seconds: %v", err)
		}
		close(s.resume)
		<-done
		if !errors.Is(slowErr, auth.ErrClaimed) {
			t.Errorf("the server that paused: %v, want ErrClaimed", slowErr)
		}
		valid := 0
		for _, i := range open(t, s.Store, nil).List() {
			if i.Kind == auth.Administrator {
				valid++
			}
		}
		if valid != 1 {
			t.Errorf("%d administrator tokens are valid, want 1", valid)
		}
	})
}

// A pausingStore pauses before it writes a token.
type pausingStore struct {
	*memstore.Store
	paused, resume chan struct{}
}

func (p *pausingStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "tokens" {
		select {
		case <-p.resume:
		default:
			close(p.paused)
			<-p.resume
		}
	}
	return p.Store.Put(ctx, k, v, c)
}

// A claim that a store without a Watcher was left with does not keep its only server from being claimed.
func TestUnfinishedClaimOfOneServer(t *testing.T) {
	s := struct{ store.Store }{memstore.New()}
	if _, err := s.Put(t.Context(), claimKey, []byte(`{"format":1,"code":"x"}`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	a := open(t, s, nil)
	if _, err := a.Claim(t.Context(), a.ClaimCode()); err != nil {
		t.Error(err)
	}
}
