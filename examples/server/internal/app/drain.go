package app

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// drainTimeout bounds the wait for clients to send another request on an idle connection, whose answer asks them to
// close it.
const drainTimeout = 500 * time.Millisecond

// A drain makes clients close their connections when the server stops. If the server closed them, a request that is on
// its way would be answered by a reset, and its client could not know whether the request was applied.
type drain struct {
	timeout time.Duration
	begun   atomic.Bool
	open    atomic.Int64 // connections
}

// handler returns a handler that asks clients to close their connections once the drain has begun.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// track counts connections.
func (d *drain) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		d.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		d.open.Add(-1)
	}
}

// wait begins the drain and waits until no connection is open, until ctx ends, or for the drain's timeout. The server
// must have stopped accepting connections.
func (d *drain) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	d.begun.Store(true)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for d.open.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
