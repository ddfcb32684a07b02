package auth

import (
	"context"
	"hash/maphash"
)

// A lock is a mutex whose wait ends with a context: requests must not wait for a store that does not answer.
type lock chan struct{}

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

// lockCount is the number of locks that the ids share, and so of calls that can wait for the store at once.
const lockCount = 64

// locks are one lock for each id, as far as the caller can tell: work on one record does not wait for another one.
type locks struct {
	seed maphash.Seed // which ids share a lock cannot be foreseen
	each [lockCount]lock
}

// newLocks returns locks that are free.
func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.each {
		l.each[i] = make(lock, 1)
	}
	return l
}

// indexOf returns which lock is that of an id.
func (l *locks) indexOf(id string) uint64 { return maphash.String(l.seed, id) % lockCount }

// take waits for the lock of an id. The caller must not hold that of another one. The error is that of ctx.
func (l *locks) take(ctx context.Context, id string) (release func(), err error) {
	one := l.each[l.indexOf(id)]
	if err := one.take(ctx); err != nil {
		return nil, err
	}
	return one.release, nil
}

// takeAll waits for the locks of all ids. The caller must not hold one. The error is that of ctx.
func (l *locks) takeAll(ctx context.Context) (release func(), err error) {
	taken := 0
	release = func() {
		for _, one := range l.each[:taken] {
			one.release()
		}
	}
	for _, one := range l.each {
		if err := one.take(ctx); err != nil {
			release()
			return nil, err
		}
		taken++
	}
	return release, nil
}
