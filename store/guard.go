package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// Guarded is a decorator of a Store that refuses changes once a newer version has begun to write to the store. Use
// [Guard] to make one. It is safe for concurrent use.
type Guarded struct {
	inner   Store
	refusal atomic.Pointer[error] // the error of every change; nil if changes are allowed

	stop     context.CancelFunc
	watching sync.WaitGroup
}

// Guard checks the format of s, as [CheckFormat] does, and returns a decorator of s. If s is a [Watcher], the
// decorator watches the format marker until Stop is called: once a newer version has raised the marker, Put, Load and
// Delete return [ErrFormat] and change nothing more, while Get and List continue to work. If s is not a Watcher, no
// other server can use it meanwhile, and the check at the beginning suffices. ctx bounds the check only.
func Guard(ctx context.Context, s Store) (*Guarded, error) {
	g := &Guarded{inner: s}
	watching, stop := context.WithCancel(context.Background())
	g.stop = stop
	if _, ok := As[Watcher](s); ok {
		// The watch begins before the check, so that no change in between is missed.
		started := make(chan struct{})
		g.watching.Go(func() { g.watch(watching, started) })
		select {
		case <-started:
		case <-ctx.Done():
			g.Stop()
			return nil, fmt.Errorf("store: watch the format marker: %w", context.Cause(ctx))
		}
	}
	if err := CheckFormat(ctx, s); err != nil {
		g.Stop()
		return nil, err
	}
	return g, nil
}

// Stop ends the watch. It does not close the store that g decorates; [As] finds that store's Close.
func (g *Guarded) Stop() {
	g.stop()
	g.watching.Wait()
}

// watch reads the format marker whenever it may have changed, until ctx ends. It closes started when no later change is
// missed.
func (g *Guarded) watch(ctx context.Context, started chan<- struct{}) {
	Follow(ctx, g.inner, formatKey.Kind, Follower{
		Started: func() { close(started) },
		Reload:  g.reload,
		Apply: func(ctx context.Context, c Change) error {
			if c.Key != formatKey {
				return nil
			}
			return g.reload(ctx)
		},
	})
}

// reload reads the format marker and, if it is newer or cannot be understood, refuses changes from then on. It returns
// an error only if a retry may succeed.
func (g *Guarded) reload(ctx context.Context) error {
	r, err := g.inner.Get(ctx, formatKey)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = parseFormat(r)
	}
	if errors.Is(err, ErrFormat) || errors.Is(err, errMarker) || errors.Is(err, ErrCorrupt) {
		g.refusal.CompareAndSwap(nil, &err)
		return nil
	}
	return err
}

// refused returns the error of every change, or nil if changes are allowed.
func (g *Guarded) refused() error {
	if err := g.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// Unwrap returns the store that g decorates.
func (g *Guarded) Unwrap() Store { return g.inner }

// Ping implements [Pinger]. A store that refuses changes is not ready.
func (g *Guarded) Ping(ctx context.Context) error {
	if err := g.refused(); err != nil {
		return err
	}
	return Ping(ctx, g.inner)
}

// Get implements [Store].
func (g *Guarded) Get(ctx context.Context, key Key) (Record, error) { return g.inner.Get(ctx, key) }

// List implements [Store].
func (g *Guarded) List(ctx context.Context, kind string) iter.Seq2[Record, error] {
	return g.inner.List(ctx, kind)
}

// Put implements [Store]. The error is [ErrFormat] if the format marker is newer than [Format].
func (g *Guarded) Put(ctx context.Context, key Key, value []byte, cond Condition) (Revision, error) {
	if err := g.refused(); err != nil {
		return "", err
	}
	return g.inner.Put(ctx, key, value, cond)
}

// Load implements [Loader]. The error is [ErrFormat] if the format marker is newer than [Format], also if that happens
// meanwhile.
func (g *Guarded) Load(ctx context.Context, records iter.Seq2[Record, error]) error {
	return Load(ctx, g.inner, func(yield func(Record, error) bool) {
		for r, err := range records {
			if refusal := g.refused(); refusal != nil {
				yield(Record{}, refusal)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	})
}

// Delete implements [Store]. The error is [ErrFormat] if the format marker is newer than [Format].
func (g *Guarded) Delete(ctx context.Context, key Key, cond Condition) error {
	if err := g.refused(); err != nil {
		return err
	}
	return g.inner.Delete(ctx, key, cond)
}
