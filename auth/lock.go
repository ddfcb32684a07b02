package auth

import "context"

// A lock is a mutex whose wait ends with a context: requests must not wait for a store that does not answer.
type lock chan struct{}

// newLock returns a lock that is free.
func newLock() lock { return make(lock, 1) }

// take waits for the lock. The error is that of ctx, and the lock is then not taken.
func (l lock) take(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release frees the lock.
func (l lock) release() { <-l }
