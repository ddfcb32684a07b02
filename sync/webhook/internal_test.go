package webhook

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store/memstore"
)

type accepts struct{}

// RoundTrip implements http.RoundTripper.
func (accepts) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

// What one server delivers leaves the queues of all, with its bytes.
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
			h := w.hooks[id]
			if len(w.known) != 0 || h.pending != 0 || h.bytes != 0 || len(h.chains) != 0 || len(h.ready) != 0 {
				t.Errorf("server %d: %d known, %d wait, %d bytes, %d chains, %d ready", i, len(w.known), h.pending, h.bytes, len(h.chains), len(h.ready))
			}
		}
	})
}
