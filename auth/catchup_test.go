package auth_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A slowLink reads the values of many records slowly.
type slowLink struct{ *link }

func (l slowLink) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range l.link.List(ctx, kind) {
			time.Sleep(100 * time.Millisecond)
			if !yield(r, err) {
				return
			}
		}
	}
}

func (l slowLink) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for r, err := range l.link.List(ctx, kind) {
			if !yield(store.Change{Key: r.Key, Revision: r.Revision}, err) {
				return
			}
		}
	}
}

// While a server catches up with the tokens of all others, which may be many, valid tokens are accepted.
func TestCatchingUpDoesNotRefuseTokens(t *testing.T) {
	inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
		s := memstore.New()
		there := open(t, s, nil)
		token, id := issue(t, there, adminGrant)
		for range 200 {
			issue(t, there, adminGrant)
		}
		here := open(t, slowLink{&link{Store: s}}, nil)
		follow(here)
		later(time.Minute)
		go func() { _, _ = here.Descendants(t.Context(), id) }()
		later(time.Second)
		issue(t, there, adminGrant)
		later(6 * time.Second)
		if _, err := here.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
		later(time.Minute)
	})
}

// Over a store that can tell revisions, a server catches up with what others have made, changed and deleted.
func TestCatchingUpByRevisions(t *testing.T) {
	s := memstore.New()
	there := open(t, s, nil)
	_, revoked := issue(t, there, adminGrant)
	_, deleted := issue(t, there, adminGrant)
	here := open(t, slowLink{&link{Store: s}}, nil)
	_, issued := issue(t, there, adminGrant)
	if err := there.Revoke(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), store.Key{Kind: "tokens", ID: deleted}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Descendants(t.Context(), issued); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{revoked: false, deleted: false, issued: true} {
		if _, ok := here.Info(id); ok != want {
			t.Errorf("token %s is valid: %v, want %v", id, ok, want)
		}
	}
}

// A farLink takes a while for each record.
type farLink struct{ *link }

func (l farLink) Get(ctx context.Context, k store.Key) (store.Record, error) {
	time.Sleep(100 * time.Millisecond)
	return l.link.Get(ctx, k)
}

// Tokens do not wait for each other while they are read from the store: neither many valid ones nor the unknown ones
// that anyone can make.
func TestTokensAreReadConcurrently(t *testing.T) {
	inBubble(t, func(t *testing.T, follow func(*auth.Service)) {
		s := memstore.New()
		far := farLink{&link{Store: s}}
		here, there := open(t, pulseless{far, far}, nil), open(t, s, nil)
		stranger := open(t, memstore.New(), nil)
		follow(here)
		var tokens []string
		for range 50 {
			token, _ := issue(t, there, titleGrant)
			tokens = append(tokens, token)
		}
		later(6 * time.Second)
		var failed atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			unknown, _ := issue(t, stranger, adminGrant)
			all.Go(func() { _, _ = here.Authenticate(t.Context(), unknown) })
		}
		for _, token := range tokens {
			all.Go(func() {
				if _, err := here.Authenticate(t.Context(), token); err != nil {
					failed.Add(1)
				}
			})
		}
		all.Wait()
		if n := failed.Load(); n > 0 {
			t.Errorf("%d of %d valid tokens were refused", n, len(tokens))
		}
	})
}
