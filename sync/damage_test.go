package patchsync_test

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A damagedStore has a corrupt record, at which a list ends, as in object storage.
type damagedStore struct {
	store.Store
	corrupt store.Key
}

func (d *damagedStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if key == d.corrupt {
		return store.Record{}, store.ErrCorrupt
	}
	return d.Store.Get(ctx, key)
}

func (d *damagedStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range d.Store.List(ctx, kind) {
			if r.Key == d.corrupt {
				yield(store.Record{}, store.ErrCorrupt)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Revisions implements store.Revisioner.
func (d *damagedStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return store.Revisions(ctx, d.Store, kind)
}

// A corrupt record of a title is reported, and does not keep the Runner from following the sources of other titles.
func TestRunWithCorruptRecords(t *testing.T) {
	for _, kind := range []string{"syncs", "watches"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &damagedStore{Store: alone{memstore.New()}, corrupt: store.Key{Kind: kind, ID: "!"}} // the first
				if _, err := st.Put(t.Context(), st.corrupt, []byte("{}"), store.Condition{}); err != nil {
					t.Fatal(err)
				}
				w := newWorld(t)
				var log bytes.Buffer
				s := open(t, st, w, patchsync.Options{
					Interval: time.Minute,
					Logger:   slog.New(slog.NewTextHandler(&log, nil)),
				})
				s.follow(here, definition("App", "1"), nil)
				w.define(here, definition("App", "2"))
				stop := run(t, s)
				time.Sleep(5 * time.Minute)
				if s.version("App") != "2" {
					t.Errorf("version %s is served, want 2", s.version("App"))
				}
				stop()
				if !strings.Contains(log.String(), "corrupt") {
					t.Errorf("the log does not report the record: %s", &log)
				}
			})
		})
	}
}
