package catalog

import (
	"context"
	"sync"
)

// titleLocks hold a lock for each title, so that one goroutine at a time changes it. The zero value is ready.
type titleLocks struct {
	mu   sync.Mutex
	used map[string]*titleLock // by title key
}

// A titleLock is the lock of one title, while a goroutine holds it or waits for it.
type titleLock struct {
	turn  chan struct{} // holds one value while the lock is held
	users int           // how many goroutines hold it or wait for it
}

// A lockedTitle proves that the caller holds the lock of a title: functions that need the lock take one. Only lock
// makes it. It must not be used after unlock.
type lockedTitle struct {
	key     string
	release func()
}

// unlock releases the lock. Calling it again does nothing.
func (t *lockedTitle) unlock() { t.release() }

// onUnlock calls f when the lock is released.
func (t *lockedTitle) onUnlock(f func()) {
	release := t.release
	t.release = sync.OnceFunc(func() {
		f()
		release()
	})
}

// lock waits for the lock of the title with this key. The result is nil if done was closed meanwhile. The error is that
// of ctx.
func (l *titleLocks) lock(ctx context.Context, key string, done <-chan struct{}) (*lockedTitle, error) {
	l.mu.Lock()
	k := l.used[key]
	if k == nil {
		k = &titleLock{turn: make(chan struct{}, 1)}
		if l.used == nil {
			l.used = map[string]*titleLock{}
		}
		l.used[key] = k
	}
	k.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.used, key)
		}
	}
	select {
	case k.turn <- struct{}{}:
		return &lockedTitle{key: key, release: sync.OnceFunc(func() { <-k.turn; leave() })}, nil
	case <-done:
		leave()
		return nil, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
