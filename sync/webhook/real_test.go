package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
		if !strings.HasSuffix(rec.Key.ID, string(catalog.Created)) || strings.Contains(string(rec.Value), "definition") {
			t.Errorf("%v is queued: %s", rec.Key, rec.Value)
		}
	}
	if n := hooks.Pending(); n != 1 {
		t.Errorf("%d events are pending, want 1", n)
	}
}

// An event is delivered over a real connection. A certificate that cannot be verified is accepted only without
// VerifySSL.
func TestVerifySSL(t *testing.T) {
	var accepted atomic.Int32
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { accepted.Add(1) }))
	defer receiver.Close()
	receiver.Config.ErrorLog = nil
	hooks, err := webhook.Open(t.Context(), single{memstore.New()}, &webhook.Options{AllowPrivateNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = hooks.Run(t.Context()) }()
	test := func(h webhook.Hook) string {
		t.Helper()
		id, err := hooks.Create(t.Context(), h)
		if err == nil {
			err = hooks.Test(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	strictID := test(webhook.Hook{URL: receiver.URL, VerifySSL: true})
	test(webhook.Hook{URL: receiver.URL, VerifySSL: false})
	statuses := func() (strict, lenient webhook.Status) {
		for _, s := range hooks.List() {
			if s.Hook.ID == strictID {
				strict = s
			} else {
				lenient = s
			}
		}
		return strict, lenient
	}
	strict, lenient := statuses()
	for range 1000 {
		if strict.Failures > 0 && lenient.Pending == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
		strict, lenient = statuses()
	}
	if strict.Failures == 0 || strict.Pending != 1 {
		t.Errorf("with VerifySSL: %+v, want a failure", strict)
	}
	if lenient.Failures != 0 || lenient.Pending != 0 || accepted.Load() != 1 {
		t.Errorf("without VerifySSL: %+v, %d events accepted, want 1", lenient, accepted.Load())
	}
}
