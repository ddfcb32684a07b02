package catalog

import (
	"maps"
	"slices"
	"sync"
)

// A workQueue holds the keys of titles whose records need work in the background: they carry notices that couriers have
// not taken yet, or belong to titles that are gone. Every server over a store knows them, and the leader does the work.
type workQueue struct {
	mu   sync.Mutex
	keys map[string]bool
	wake chan struct{} // receives a value after add
}

func newWorkQueue() *workQueue {
	return &workQueue{keys: map[string]bool{}, wake: make(chan struct{}, 1)}
}

func (q *workQueue) add(keys ...string) {
	q.mu.Lock()
	for _, key := range keys {
		q.keys[key] = true
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// remove removes a key whose record needs no work.
func (q *workQueue) remove(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.keys, key)
}

// all returns the keys in the queue.
func (q *workQueue) all() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Keys(q.keys))
}

// take empties the queue and returns its keys.
func (q *workQueue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys := slices.Collect(maps.Keys(q.keys))
	clear(q.keys)
	return keys
}
