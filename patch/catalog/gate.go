package catalog

import (
	"sync"
	"sync/atomic"
)

// A gate lets changes pass until the catalog is closed, and while no restore is in progress. The zero gate is open.
type gate struct {
	closing   sync.RWMutex // read-locked by every write, locked for good by close
	restoring sync.RWMutex // read-locked by every change, locked by a restore
	closeOnce sync.Once
	closed    atomic.Bool
}

// check returns ErrClosed after close was called.
func (g *gate) check() error {
	if g.closed.Load() {
		return ErrClosed
	}
	return nil
}

// enter begins a change, which lasts until leave is called. It does not wait: the error is ErrClosed, or errRestoring
// while a restore is in progress.
func (g *gate) enter() (leave func(), err error) {
	closed, err := g.enterRestoring()
	if err != nil {
		return nil, err
	}
	if !g.restoring.TryRLock() {
		closed()
		return nil, errRestoring
	}
	return func() {
		g.restoring.RUnlock()
		closed()
	}, nil
}

// enterRestoring is enter for a write that may also happen during a restore. The error is ErrClosed.
func (g *gate) enterRestoring() (leave func(), err error) {
	if !g.closing.TryRLock() {
		return nil, ErrClosed
	}
	return g.closing.RUnlock, nil
}

// enterRestore begins a restore. The error is ErrClosed, or errRestoring if another restore, or a change, is in
// progress.
func (g *gate) enterRestore() (leave func(), err error) {
	closed, err := g.enterRestoring()
	if err != nil {
		return nil, err
	}
	if !g.restoring.TryLock() {
		closed()
		return nil, errRestoring
	}
	return func() {
		g.restoring.Unlock()
		closed()
	}, nil
}

// withoutRestore calls f while no restore can begin. The error is errRestoring if a restore is in progress, or that of
// f.
func (g *gate) withoutRestore(f func() error) error {
	if !g.restoring.TryRLock() {
		return errRestoring
	}
	defer g.restoring.RUnlock()
	return f()
}

// close closes the gate and waits for the writes in progress. Closing again does nothing.
func (g *gate) close() {
	g.closed.Store(true)
	g.closeOnce.Do(g.closing.Lock)
}
