package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// If the operator deletes the record of a restore that is committed and not settled yet, the restore has not happened,
// or only in part, and says so. It can be repeated in a mode that replaces titles.
func TestDeletedRecordOfARestore(t *testing.T) {
	for name, written := range map[string]string{"after the commit": "commits", "after the first title": "titles"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := memstore.New()
				var armed atomic.Bool
				var commit store.Key
				m := &mortal{Store: shared, after: func(k store.Key, v []byte) {
					if !armed.Load() {
						return
					}
					if k.Kind == "commits" && bytes.Contains(v, []byte(`"committed":true`)) {
						commit = k
					}
					if k.Kind == written && commit.ID != "" {
						_ = shared.Delete(context.Background(), commit, store.Condition{})
					}
				}}
				c := open(t, m, nil)
				time.Sleep(time.Second)
				armed.Store(true)
				_, err := c.Restore(t.Context(), restoring(func(int) {}), nil)
				want := "the record of the restore was deleted: check the titles, or repeat the restore in the mode " +
					"replace or merge"
				if !errors.Is(err, catalog.ErrUnavailable) || !strings.Contains(err.Error(), want) {
					t.Errorf("the restore: %v, want ErrUnavailable that says %q", err, want)
				}
				armed.Store(false)
				replace := &catalog.RestoreOptions{Mode: catalog.RestoreReplace}
				if _, err := c.Restore(t.Context(), restoring(func(int) {}), replace); err != nil {
					t.Errorf("the restore is repeated: %v", err)
				}
				if got := state(c); got != "App 2, New 2" {
					t.Errorf("the titles are %q after the restore is repeated", got)
				}
				checkNothingStaged(t, shared)
			})
		})
	}
}

// A rottenStore answers as a store whose object of the record commits/rotten is corrupt: Get says so, a list ends with
// it, and Revisions names it.
type rottenStore struct{ *memstore.Store }

func (s rottenStore) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.ID == "rotten" {
		return store.Record{}, fmt.Errorf("the checksum is wrong: %w", store.ErrCorrupt)
	}
	return s.Store.Get(ctx, k)
}

func (s rottenStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range s.Store.List(ctx, kind) {
			if r.Key.ID == "rotten" {
				r, err = s.Get(ctx, r.Key)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func (s rottenStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return store.Revisions(ctx, s.Store, kind)
}

// A record of a restore that the store itself cannot read is logged once, with the way out. Another restore is refused
// with the same words, and changes are refused while a third server restores, whose record is read.
func TestUnreadableRecordOfARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		shared := memstore.New()
		rotten := store.Key{Kind: "commits", ID: "rotten"}
		for key, value := range map[store.Key]string{
			rotten:                         "?",
			{Kind: "commits", ID: "third"}: `{"format":1}`,
		} {
			if _, err := shared.Put(ctx, key, []byte(value), store.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		c := open(t, rottenStore{shared}, &catalog.Options{Logger: logger})
		time.Sleep(time.Minute)
		if _, err := c.Create(ctx, definition("Other", "1"), nil); !errors.Is(err, catalog.ErrUnavailable) {
			t.Errorf("a change while a third server restores: %v, want ErrUnavailable", err)
		}
		if err := shared.Delete(ctx, store.Key{Kind: "commits", ID: "third"}, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		want := "commits/rotten, cannot be read: make sure that no server is restoring, delete this record"
		_, err := c.Restore(ctx, restoring(func(int) {}), nil)
		if !errors.Is(err, catalog.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("another restore: %v, want ErrUnavailable that says %q", err, want)
		}
		create(t, c, "Other")
		synctest.Wait()
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("the log has %d lines, want 1 that says %q:\n%s", lines, want, log.String())
		}
		if err := shared.Delete(ctx, rotten, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		replace := &catalog.RestoreOptions{Mode: catalog.RestoreReplace}
		if _, err := c.Restore(ctx, restoring(func(int) {}), replace); err != nil {
			t.Errorf("the restore is repeated: %v", err)
		}
	})
}
