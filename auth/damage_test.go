package auth_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// List implements store.Store. It ends at the corrupt record, as in object storage.
func (c *corruptingStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range c.Store.List(ctx, kind) {
			if k := c.corrupt.Load(); k != nil && *k == r.Key {
				yield(store.Record{}, store.ErrCorrupt)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// The error of a start names all tokens that cannot be read, so that an administrator can mend them at once.
func TestOpenNamesAllUnreadableTokens(t *testing.T) {
	s := &corruptingStore{Store: memstore.New()}
	key := store.Key{Kind: "tokens", ID: "a"}
	s.corrupt.Store(&key)
	put(t, s, key, "{}")
	put(t, s, store.Key{Kind: "tokens", ID: "b"}, "{")
	_, err := auth.Open(t.Context(), s, nil)
	if err == nil || !strings.Contains(err.Error(), "tokens/a") || !strings.Contains(err.Error(), "tokens/b") {
		t.Errorf("got %v, want an error that names both tokens", err)
	}
}

// Revisions implements store.Revisioner.
func (c *corruptingStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return store.Revisions(ctx, c.Store, kind)
}
