package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// Format is the newest format of records that this version reads and writes.
// Stores without a marker have format 1.
const Format = 2

// ErrFormat reports that a store may hold records that this version does not
// understand.
var ErrFormat = errors.New("the store was written by a newer version")

// errMarker reports a format marker that is there and has no meaning.
var errMarker = errors.New("the format marker is unreadable")

// formatKey is the key of the format marker.
var formatKey = Key{Kind: "config", ID: "format"}

// A formatMarker is the value of the record under formatKey.
type formatMarker struct {
	Format int `json:"format"`
}

// CheckFormat reports whether this version understands all records of s, and
// raises the store's format marker to [Format] if it is older or absent. Several
// servers may call it at once. Call it before anything else reads the store; when
// the marker is current it costs one Get.
//
// The error is [ErrFormat] if the marker is newer. It is another one, and the
// marker stays as it is, if the marker cannot be read.
func CheckFormat(ctx context.Context, s Store) error {
	_, err := Update(ctx, s, formatKey, func(old Record) ([]byte, error) {
		format, err := parseFormat(old)
		if err != nil || format == Format {
			return nil, err
		}
		return json.Marshal(formatMarker{Format})
	})
	return err
}

// parseFormat returns the format that a format marker states: 1 if there is none, that is, if the record's revision is
// empty. The error is ErrFormat if it is newer than Format.
func parseFormat(r Record) (int, error) {
	if r.Revision == "" {
		return 1, nil
	}
	var m formatMarker
	if err := json.Unmarshal(r.Value, &m); err != nil || m.Format < 1 {
		return 0, fmt.Errorf("store: record %v: %w: it is %.100q, want {\"format\":%d} or another number: "+
			"restore a backup, or start the version that wrote it", formatKey, errMarker, r.Value, Format)
	}
	if m.Format > Format {
		return 0, fmt.Errorf("store: %w: its records have format %d, and this version understands formats up to %d: "+
			"start the newer version, or restore a backup made before", ErrFormat, m.Format, Format)
	}
	return m.Format, nil
}

// Guarded is a Store that refuses changes when a newer version has begun to write
// to the store it decorates. Make one with [Guard]. It is safe for concurrent use.
type Guarded struct {
	inner   Store
	refusal atomic.Pointer[error] // nil: changes are allowed

	stop context.CancelFunc
	done sync.WaitGroup
}

// Guard checks the format of s, as [CheckFormat] does, and returns a decorator of
// s. If s is a [Watcher], the decorator watches the format marker until Stop is
// called: once a newer version has raised the marker, Put and Delete return
// [ErrFormat] and change nothing, while Get and List go on. If s is no Watcher,
// no other server can use it meanwhile, and the check at the beginning is enough.
// ctx bounds the check alone.
func Guard(ctx context.Context, s Store) (*Guarded, error) {
	g := &Guarded{inner: s}
	watching, stop := context.WithCancel(context.Background())
	g.stop = stop
	if _, ok := As[Watcher](s); ok {
		// Watch first and check then, so that nothing is missed in between.
		started := make(chan struct{})
		g.done.Go(func() { g.watch(watching, started) })
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

// Ping implements [Pinger]: a store that refuses changes is not ready.
func (g *Guarded) Ping(ctx context.Context) error {
	if err := g.refusal.Load(); err != nil {
		return *err
	}
	return Ping(ctx, g.inner)
}

// NewerFormat returns an [ErrFormat] that names a record of a format which this version does not know, and the newest
// that it knows.
func NewerFormat(key Key, format, known int) error {
	return fmt.Errorf(
		"%w: record %v has format %d, and this version knows up to %d: start the newer version, or restore a "+
			"backup that was made before",
		ErrFormat,
		key,
		format,
		known,
	)
}

// Stop ends the watch and waits for its end. It does not close the store that g
// decorates; [As] finds that store's Close.
func (g *Guarded) Stop() {
	g.stop()
	g.done.Wait()
}

// watch reads the marker whenever it may have changed, until ctx ends. It closes started when no later change is
// missed.
func (g *Guarded) watch(ctx context.Context, started chan<- struct{}) {
	Follow(ctx, g.inner, formatKey.Kind, Follower{
		Started: func() { close(started) },
		Reload:  g.look,
		Apply: func(ctx context.Context, c Change) error {
			if c.Key != formatKey {
				return nil
			}
			return g.look(ctx)
		},
	})
}

// look reads the marker and refuses changes from now on if it has to. The error is one that a retry may mend.
func (g *Guarded) look(ctx context.Context) error {
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

// Unwrap returns the store that g decorates.
func (g *Guarded) Unwrap() Store { return g.inner }

// Get implements [Store].
func (g *Guarded) Get(ctx context.Context, key Key) (Record, error) { return g.inner.Get(ctx, key) }

// List implements [Store].
func (g *Guarded) List(ctx context.Context, kind string) iter.Seq2[Record, error] {
	return g.inner.List(ctx, kind)
}

// Put implements [Store]. The error is [ErrFormat] if the format marker is newer
// than [Format].
func (g *Guarded) Put(ctx context.Context, key Key, value []byte, cond Condition) (Revision, error) {
	if err := g.refusal.Load(); err != nil {
		return "", *err
	}
	return g.inner.Put(ctx, key, value, cond)
}

// Delete implements [Store]. The error is [ErrFormat] if the format marker is
// newer than [Format].
func (g *Guarded) Delete(ctx context.Context, key Key, cond Condition) error {
	if err := g.refusal.Load(); err != nil {
		return *err
	}
	return g.inner.Delete(ctx, key, cond)
}
