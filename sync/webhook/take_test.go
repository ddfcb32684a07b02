package webhook_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A picky store refuses some writes of deliveries.
type picky struct {
	store.Store
	prefix string // of the ids that it refuses
	left   int    // how many more writes it refuses
}

// Put implements [store.Store].
func (p *picky) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if key.Kind == "deliveries" && strings.HasPrefix(key.ID, p.prefix) && p.left > 0 {
		p.left--
		return "", errors.New("the disk is full")
	}
	return p.Store.Put(ctx, key, value, cond)
}

// An event that could not be put into one queue is not put into the others again.
func TestTakeInPart(t *testing.T) {
	ctx := t.Context()
	st := &picky{Store: single{memstore.New()}}
	hooks, err := webhook.Open(ctx, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 2 {
		id, err := hooks.Create(ctx, webhook.Hook{URL: "https://h.example/", Enabled: true})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	st.prefix, st.left = ids[0], 3
	n := catalog.Notice{ID: "x-1", Kind: catalog.Created}
	n.Title.ID = "App"
	for try := 1; ; try++ {
		if err := hooks.Take(ctx, n); err == nil {
			if try != 4 {
				t.Errorf("the event was taken at try %d, want 4", try)
			}
			break
		}
	}
	if c := count(t, st, "deliveries"); c != 2 || hooks.Pending() != 2 {
		t.Errorf("%d records and %d pending events, want 2 each", c, hooks.Pending())
	}
}

// An event, or a definition, that only another courier of the catalog wants is not queued.
func TestTakeForAnotherCourier(t *testing.T) {
	ctx := t.Context()
	st := single{memstore.New()}
	hooks, err := webhook.Open(ctx, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	hook := webhook.Hook{URL: "https://h.example/", Enabled: true, Events: []catalog.EventKind{catalog.Created}}
	if _, err := hooks.Create(ctx, hook); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []catalog.EventKind{catalog.Created, catalog.Updated} {
		n := catalog.Notice{ID: string(kind), Kind: kind, Definition: []byte(`{"id":"App"}`)}
		n.Title.ID = "App"
		if err := hooks.Take(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	for rec, err := range st.List(ctx, "deliveries") {
		if err != nil {
			t.Fatal(err)
		}
		value := string(rec.Value)
		if !strings.HasSuffix(rec.Key.ID, string(catalog.Created)) || strings.Contains(value, "definition") {
			t.Errorf("%v is queued: %s", rec.Key, value)
		}
	}
	if n := hooks.Pending(); n != 1 {
		t.Errorf("%d events are pending, want 1", n)
	}
}
