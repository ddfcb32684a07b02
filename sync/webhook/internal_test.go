package webhook

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// accepts is a transport of receivers that accept every event.
type accepts struct{}

// RoundTrip implements [http.RoundTripper].
func (accepts) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

// An event that one server has delivered leaves the queues of all servers, with its bytes.
func TestDeliveredElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		ctx, cancel := context.WithCancel(t.Context())
		var servers []*Service
		var running sync.WaitGroup
		for range 2 {
			w, err := Open(ctx, shared, &Options{Transport: accepts{}})
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() { _ = w.Run(ctx) })
			synctest.Wait()
			servers = append(servers, w)
		}
		id, err := servers[0].Create(ctx, Hook{URL: "https://h.example/"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for range 50 {
			for _, w := range servers {
				if err := w.Test(ctx, id); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Minute)
		cancel()
		running.Wait()
		for i, w := range servers {
			h := w.queues.hooks[id]
			left := len(w.queues.deliveries) + h.pending + int(h.bytes) + len(h.chains) + len(h.ready)
			if left != 0 {
				t.Errorf("server %d: %d deliveries, %d pending, %d bytes, %d chains, %d ready",
					i, len(w.queues.deliveries), h.pending, h.bytes, len(h.chains), len(h.ready))
			}
		}
	})
}

// One event of each title is ready: the one with the lowest number, even if it comes late.
func TestLateEventBecomesReady(t *testing.T) {
	h := newHook(Hook{})
	for _, number := range []int64{3, 4, 5, 2, 6, 1} {
		h.add(&delivery{number: number})
		if len(h.ready) != 1 || h.ready[0] != h.chains[""][0] {
			t.Fatalf("after event %d: %d events are ready, want the first of the chain", number, len(h.ready))
		}
	}
	for i, d := range h.chains[""] {
		if d.number != int64(i+1) {
			t.Errorf("event %d is at position %d", d.number, i)
		}
	}
}

// The records that a server has deleted are not remembered if the watch does not report them.
func TestDroppedRecordsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		const orphan = `{"format":1,"hook":"H","notice":{"id":"U-1","kind":"created","title":{"id":"App"}}}`
		key := store.Key{Kind: deliveriesKind, ID: "H/00000000000000000001-U-1"}
		if _, err := shared.Put(t.Context(), key, []byte(orphan), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w, err := Open(ctx, shared, &Options{Transport: accepts{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shared.Get(ctx, key); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("the orphan: %v", err)
		}
		var running sync.WaitGroup
		running.Go(func() { _ = w.Run(ctx) })
		synctest.Wait()
		w.queues.mu.Lock()
		if n := len(w.queues.dropped); n != 0 {
			t.Errorf("%d records are remembered, want none", n)
		}
		w.queues.mu.Unlock()
		cancel()
		running.Wait()
	})
}
