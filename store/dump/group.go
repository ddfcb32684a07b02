package dump

import (
	"context"
	"sync"
)

// maxWriters is the maximum number of records that are written or deleted concurrently. A store that syncs each write
// can combine them.
const maxWriters = 32

// A group runs functions concurrently. The first error ends the context of the others.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	places chan struct{}
	done   sync.WaitGroup
}

func newGroup(ctx context.Context) *group {
	g := &group{places: make(chan struct{}, maxWriters)}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

// run runs f as soon as there is a place. If f is exclusive, it runs alone.
func (g *group) run(exclusive bool, f func(ctx context.Context) error) {
	if exclusive {
		g.done.Wait()
	}
	g.places <- struct{}{}
	g.done.Go(func() {
		defer func() { <-g.places }()
		if err := f(g.ctx); err != nil {
			g.cancel(err)
		}
	})
	if exclusive {
		g.done.Wait()
	}
}

// failed reports whether a function has failed, or the context of the group has ended.
func (g *group) failed() bool { return g.ctx.Err() != nil }

// wait waits for the functions and returns the first error, or that of the context of the group. It must be called
// once.
func (g *group) wait() error {
	g.done.Wait()
	err := context.Cause(g.ctx)
	g.cancel(nil)
	return err
}
