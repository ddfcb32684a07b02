package app

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
)

// A countingStore counts the times that the record with an id is read.
type countingStore struct {
	store.Store
	id   string
	gets atomic.Int64
}

func (s *countingStore) Unwrap() store.Store { return s.Store }

func (s *countingStore) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.ID == s.id {
		s.gets.Add(1)
	}
	return s.Store.Get(ctx, k)
}

// A plainWatcher is a store whose watches have no heartbeats.
type plainWatcher struct {
	store.Store
	watcher store.Watcher
}

func (s plainWatcher) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return s.watcher.Watch(ctx, kind)
}

// Over the stores that servers share, a token that is used all the time is not read from the store, because heartbeats
// prove that it was not revoked. Without heartbeats, it is read every five seconds.
func TestTokenInUseIsNotRead(t *testing.T) {
	const duration = 7 * time.Second // longer than a token is accepted without a proof
	postgres := postgresStore(t) + "idle_token"
	_, s3 := s3Store(t)
	for scheme, name := range map[string]string{"postgres": postgres, "s3": s3("idle-token")} {
		t.Run(scheme, func(t *testing.T) {
			s, err := (&flags{}).openStore(t.Context(), name, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = closeStore(s) }()
			watcher, _ := store.As[store.Watcher](s)
			// A machine that is too busy delays heartbeats: one attempt of three has to succeed.
			var n, m int64
			for range 3 {
				with, without := &countingStore{Store: s}, &countingStore{Store: plainWatcher{s, watcher}}
				var all sync.WaitGroup
				for _, counted := range []*countingStore{with, without} {
					all.Go(func() { use(t, counted, duration) })
				}
				all.Wait()
				if n, m = with.gets.Load(), without.gets.Load(); n == 0 && m > 0 {
					return
				}
			}
			t.Errorf("in %v, the token was read %d times with heartbeats and %d times without, want 0 and some",
				duration, n, m)
		})
	}
}

// use makes a token over a store and uses it for a while, ten times a second.
func use(t *testing.T, s *countingStore, d time.Duration) {
	tokens, err := auth.Open(t.Context(), s, nil)
	if err != nil {
		t.Error(err)
		return
	}
	token, id, err := tokens.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Error(err)
		return
	}
	s.id = id
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var following sync.WaitGroup
	following.Go(func() { tokens.Follow(ctx) })
	defer following.Wait()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if _, err := tokens.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
		<-tick.C
	}
}
