package auth_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

var errCut = errors.New("the connection is cut")

// A link is the connection of one server to a store that others use as well. It counts the reads of records. After an
// interruption, its watch yields the zero Key.
type link struct {
	*memstore.Store
	deaf atomic.Bool // changes and heartbeats do not arrive
	cut  atomic.Bool // the store does not answer until the context ends
	gets atomic.Int64
}

func (l *link) wait(ctx context.Context) error {
	if !l.cut.Load() {
		return nil
	}
	<-ctx.Done()
	return errors.Join(errCut, ctx.Err())
}

func (l *link) Get(ctx context.Context, k store.Key) (store.Record, error) {
	l.gets.Add(1)
	if err := l.wait(ctx); err != nil {
		return store.Record{}, err
	}
	return l.Store.Get(ctx, k)
}

func (l *link) WatchHeartbeats(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		missed := false
		for c, err := range l.Store.WatchHeartbeats(ctx, kind) {
			if l.deaf.Load() || l.cut.Load() {
				missed = true
				continue
			}
			if missed && !yield(store.Change{}, nil) {
				return
			}
			missed = false
			if !yield(c, err) {
				return
			}
		}
	}
}

// A pulseless link has a watch without heartbeats.
type pulseless struct {
	store.Store
	watcher store.Watcher
}

func (p pulseless) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return p.watcher.Watch(ctx, kind)
}

// inBubble runs a test with a clock of its own. follow runs Follow of a server until the test ends.
func inBubble(t *testing.T, test func(t *testing.T, follow func(*auth.Service))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, func(a *auth.Service) {
			go a.Follow(ctx)
			synctest.Wait()
		})
	})
}

// later waits, by the clock of the bubble.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// While the watch lives, a revocation reaches the other servers within a second, and no token is read from the store.
func TestRevocationIsSeenByOtherServers(t *testing.T) {
	inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
		s := memstore.New()
		near := &link{Store: s}
		here, there := open(t, near, nil), open(t, s, nil)
		token, id := issue(t, there, adminGrant)
		follow(here)
		for range 20 {
			later(time.Second)
			if _, err := here.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if n := near.gets.Load(); n != 0 {
			t.Errorf("%d records were read while the watch was alive, want 0", n)
		}
		if err := there.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		later(time.Second)
		checkUnauthorized(t, here, token)
	})
}

// If the watch is cut off but the store answers, a revocation holds everywhere after five seconds at most: that of the
// token, of the token that it was made with, and by a later epoch.
func TestRevocationWithoutTheWatch(t *testing.T) {
	for name, revoke := range map[string]func(*testing.T, *auth.Service, string, string){
		"token": func(t *testing.T, a *auth.Service, _, id string) {
			if err := a.Revoke(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		},
		"maker": func(t *testing.T, a *auth.Service, maker, _ string) {
			if err := a.Revoke(t.Context(), maker); err != nil {
				t.Fatal(err)
			}
		},
		"epoch": func(t *testing.T, a *auth.Service, _, _ string) { recoverAndUse(t, a, titleGrant) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
				s := memstore.New()
				near := &link{Store: s}
				here, there := open(t, near, nil), open(t, s, nil)
				follow(here)
				maker, makerID := issue(t, there, titleGrant)
				token, id := issueWith(t, there, maker, titleGrant)
				later(time.Second)
				near.deaf.Store(true)
				if _, err := here.Authenticate(t.Context(), token); err != nil {
					t.Fatal(err)
				}
				revoke(t, there, makerID, id)
				later(5*time.Second + time.Millisecond)
				checkUnauthorized(t, here, token)
			})
		})
	}
}

// A token that is read from the store is not read again for five seconds, and then a revocation holds.
func TestTokenIsReadEveryFiveSeconds(t *testing.T) {
	for name, watched := range map[string]func(*link) store.Store{
		"the watch is cut off":      func(l *link) store.Store { l.deaf.Store(true); return l },
		"the watch has no pulse":    func(l *link) store.Store { return pulseless{l, l} },
		"the watch is not followed": func(l *link) store.Store { return l },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
				near := &link{Store: memstore.New()}
				here, there := open(t, watched(near), nil), open(t, near.Store, nil)
				token, id := issue(t, there, adminGrant)
				if name != "the watch is not followed" {
					follow(here)
				}
				later(6 * time.Second)
				var all sync.WaitGroup
				for range 100 {
					all.Go(func() {
						if _, err := here.Authenticate(t.Context(), token); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if n := near.gets.Load(); n > 1 {
					t.Errorf("100 calls read %d records, want 1", n)
				}
				if err := there.Revoke(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				later(5*time.Second + time.Millisecond)
				checkUnauthorized(t, here, token)
			})
		})
	}
}

// A server that is cut off from the store accepts tokens for five seconds. Then it answers that it cannot know, and
// does so in time. Once it has the store again, tokens are valid again.
func TestPartition(t *testing.T) {
	inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
		near := &link{Store: memstore.New()}
		here, there := open(t, near, nil), open(t, near.Store, nil)
		follow(here)
		token, id := issue(t, there, adminGrant)
		other, _ := issue(t, there, adminGrant)
		later(time.Second)
		near.cut.Store(true)
		if err := there.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := here.Authenticate(t.Context(), other); err != nil {
			t.Errorf("at once: %v", err)
		}
		later(5*time.Second + time.Millisecond)
		began := time.Now()
		for _, token := range []string{token, other} {
			if _, err := here.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("after five seconds: %v, want ErrUnavailable", err)
			}
		}
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("two answers took %v, want at most 3 s each", d)
		}
		near.cut.Store(false)
		later(2 * time.Second)
		checkUnauthorized(t, here, token)
		if _, err := here.Authenticate(t.Context(), other); err != nil {
			t.Errorf("after the partition: %v", err)
		}
	})
}

// A store without a Watcher has one server, which never asks it.
func TestUnsharedStoreIsNotAsked(t *testing.T) {
	inBubble(t, func(t *testing.T, _ func(*auth.Service)) {
		s := &link{Store: memstore.New()}
		a := open(t, struct{ store.Store }{s}, nil)
		token, _ := issue(t, a, adminGrant)
		unknown, _ := issue(t, open(t, memstore.New(), nil), adminGrant)
		s.gets.Store(0)
		s.cut.Store(true)
		later(time.Hour)
		if _, err := a.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
		checkUnauthorized(t, a, unknown)
		if n := s.gets.Load(); n != 0 {
			t.Errorf("%d records were read, want 0", n)
		}
	})
}

// A token is valid at every server at once, with all that it was made with, and so is its revocation by id.
func TestTokenOfAnotherServerIsFound(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	root, _ := issue(t, there, titleGrant)
	token, _ := issueWith(t, there, root, titleGrant)
	if _, err := here.Authenticate(t.Context(), token); err != nil {
		t.Errorf("a token of another server: %v", err)
	}
	if _, err := here.Authenticate(t.Context(), root); err != nil {
		t.Errorf("its maker: %v", err)
	}
	// The maker is found, although only the token was seen by the watch.
	late := open(t, s, nil)
	first, firstID := issue(t, there, adminGrant)
	second, secondID := issueWith(t, there, first, titleGrant)
	if _, err := late.Find(t.Context(), secondID); err != nil {
		t.Errorf("Find: %v", err)
	}
	if _, err := late.Authenticate(t.Context(), second); err != nil {
		t.Errorf("a token whose maker is known to another server only: %v", err)
	}
	if _, err := late.Find(t.Context(), "nope"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("Find of an unknown id: %v, want ErrNotFound", err)
	}
	// Revoke, Rotate and Descendants know what other servers have made.
	fresh := open(t, s, nil)
	issueWith(t, there, first, titleGrant)
	if n, err := fresh.Descendants(t.Context(), firstID); err != nil || n != 2 {
		t.Errorf("Descendants() = %d, %v, want 2", n, err)
	}
	_, thirdID := issue(t, there, adminGrant)
	if err := fresh.Revoke(t.Context(), thirdID); err != nil {
		t.Errorf("Revoke: %v", err)
	}
	_, fourthID := issue(t, there, titleGrant)
	if _, _, err := fresh.Rotate(t.Context(), fourthID); err != nil {
		t.Errorf("Rotate: %v", err)
	}
}

// Unknown tokens are looked up ten times a second at most.
func TestLookUpsAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, _ func(*auth.Service)) {
		s := &link{Store: memstore.New()}
		a, stranger := open(t, s, nil), open(t, memstore.New(), nil)
		for range 100 {
			token, _ := issue(t, stranger, adminGrant)
			checkUnauthorized(t, a, token)
		}
		if n := s.gets.Load(); n != 10 {
			t.Errorf("100 unknown tokens were looked up %d times, want 10", n)
		}
		later(time.Second)
		s.cut.Store(true)
		token, _ := issue(t, stranger, adminGrant)
		if _, err := a.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("without the store: %v, want ErrUnavailable", err)
		}
	})
}

// What was issued at another server a moment ago ends with the rest.
func TestRevocationsOfAllSeeOtherServers(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	owned, _ := issue(t, there, annGrant)
	if err := here.RevokeOwned(t.Context(), annGrant); err != nil {
		t.Fatal(err)
	}
	title, _ := issue(t, there, titleGrant)
	if err := here.RevokeTitle(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	lost, _ := issue(t, there, auth.Grant{Kind: auth.TitleToken, Titles: []string{"v"}})
	recoverAndUse(t, here, auth.Grant{Kind: auth.TitleToken, Titles: []string{"v"}})
	for name, token := range map[string]string{"RevokeOwned": owned, "RevokeTitle": title, "Recover": lost} {
		if _, err := open(t, s, nil).Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("%s: the token of another server: %v, want ErrUnauthorized", name, err)
		}
	}
	_, first := issue(t, there, adminGrant)
	_, second := issue(t, there, adminGrant)
	if err := here.RevokeUnlessLast(t.Context(), first); err != nil {
		t.Errorf("with another administrator at another server: %v", err)
	}
	if err := there.RevokeUnlessLast(t.Context(), second); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Errorf("the other one was revoked at another server: %v, want ErrLastAdministrator", err)
	}
}

// The last use of a token never moves back because another server has written the token.
func TestLastUseSurvivesOtherServers(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func(d time.Duration) func() time.Time { return func() time.Time { return now.Add(d) } }
	s := memstore.New()
	here, there := open(t, s, clock(time.Hour)), open(t, s, clock(time.Minute))
	token, id := issue(t, here, adminGrant)
	for _, a := range []*auth.Service{here, there} {
		if _, err := a.Authenticate(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	used := func(a *auth.Service) time.Time {
		info, err := a.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return info.Used
	}
	follow(t, here)
	if err := there.Flush(t.Context()); err != nil { // writes the earlier use
		t.Fatal(err)
	}
	issue(t, there, adminGrant)
	if err := here.Flush(t.Context()); err != nil { // conflicts with the other write
		t.Fatal(err)
	}
	if err := there.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*auth.Service{"here": here, "after a restart": open(t, s, nil)} {
		if got := used(a); !got.Equal(now.Add(time.Hour)) {
			t.Errorf("%s: last used at %v, want %v", name, got, now.Add(time.Hour))
		}
	}
}

// Purge keeps a token whose maker this server has not seen yet.
func TestPurgeKeepsTokensOfUnknownMakers(t *testing.T) {
	s := memstore.New()
	there := open(t, s, nil)
	maker, makerID := issue(t, there, titleGrant)
	token, _ := issueWith(t, there, maker, titleGrant)
	r, err := s.Get(t.Context(), store.Key{Kind: "tokens", ID: makerID})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), r.Key, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	behind := open(t, struct{ store.Store }{s}, nil) // has the token and not its maker
	if _, err := s.Put(t.Context(), r.Key, r.Value, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := behind.Purge(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, s, nil).Authenticate(t.Context(), token); err != nil {
		t.Errorf("the token was removed: %v", err)
	}
}

// A token in a file that several servers share is adopted by all of them at the same time.
func TestAdoptAtSeveralServers(t *testing.T) {
	s := memstore.New()
	token, _ := issue(t, open(t, memstore.New(), nil), adminGrant)
	var servers []*auth.Service
	for range 5 {
		servers = append(servers, open(t, s, nil))
	}
	var all sync.WaitGroup
	for _, a := range servers {
		all.Go(func() {
			if err := a.Adopt(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := records(t, s, "tokens"); n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
}
