package app

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// drainTimeout bounds the wait for clients to send another request on a connection
// that they keep, and to be told to close it.
const drainTimeout = 500 * time.Millisecond

// A drain has clients close their connections when the server stops. A connection
// that the server closes may have a request on its way, whose client then sees a
// reset and cannot know whether it was applied.
type drain struct {
	timeout time.Duration
	begun   atomic.Bool
	open    atomic.Int64 // connections
}

// handler returns a handler that has clients close their connections once the
// drain has begun.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// track is for the ConnState of an http.Server.
func (d *drain) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		d.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		d.open.Add(-1)
	}
}

// wait begins the drain and waits until no connection is open, but no longer than
// its timeout. The server must have stopped accepting connections.
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
