package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A corruptStore is a store in which some records are corrupt and others are being deleted. A list ends at a corrupt
// one.
type corruptStore struct {
	store.Store
	corrupt, deleted string // letters: the ids
	broken           error  // of Get for the others
}

func (s *corruptStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	switch {
	case strings.Contains(s.corrupt, key.ID):
		return store.Record{}, store.ErrCorrupt
	case strings.Contains(s.deleted, key.ID):
		return store.Record{}, store.ErrNotFound
	case s.broken != nil:
		return store.Record{}, s.broken
	}
	return s.Store.Get(ctx, key)
}

func (s *corruptStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range s.Store.List(ctx, kind) {
			if strings.Contains(s.corrupt, r.Key.ID) {
				yield(store.Record{}, fmt.Errorf("the record %v: %w", r.Key, store.ErrCorrupt))
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Revisions implements store.Revisioner.
func (s *corruptStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return store.Revisions(ctx, s.Store, kind)
}

func TestListReadable(t *testing.T) {
	errBroken := errors.New("broken")
	for _, c := range []struct {
		name, corrupt, deleted string
		broken                 error
		limit                  int // records after which the reader stops; 0: none
		listed, skipped        string
		err                    error
	}{
		{name: "nothing is corrupt", broken: errBroken, listed: "abcde"},
		{name: "first", corrupt: "a", listed: "bcde", skipped: "a"},
		{name: "several", corrupt: "bce", listed: "ad", skipped: "bce"},
		{name: "deleted meanwhile", corrupt: "b", deleted: "c", listed: "ade", skipped: "b"},
		{name: "the reader stops", corrupt: "b", limit: 2, listed: "ac", skipped: "b"},
		{name: "another error", corrupt: "b", broken: errBroken, listed: "a", skipped: "b", err: errBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &corruptStore{Store: memstore.New(), corrupt: c.corrupt, deleted: c.deleted, broken: c.broken}
			for _, id := range "abcde" {
				put(t, s, thing(string(id)), string(id))
			}
			listed, skipped, last := "", "", error(nil)
			skip := func(key store.Key, _ error) { skipped += key.ID }
			for r, err := range store.ListReadable(t.Context(), s, "things", skip) {
				if last = err; err == nil {
					listed += string(r.Value)
				}
				if len(listed) == c.limit {
					break
				}
			}
			if listed != c.listed || skipped != c.skipped || !errors.Is(last, c.err) {
				t.Errorf("listed %q, skipped %q, error %v; want %q, %q and %v",
					listed, skipped, last, c.listed, c.skipped, c.err)
			}
		})
	}
}
