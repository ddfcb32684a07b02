package catalog

import (
	"maps"
	"slices"
	"sync"
)

// A workQueue holds the keys of titles whose records need work in the background: they carry notices that couriers have
// not taken yet, or belong to titles that are gone.
type workQueue struct {
	mu   sync.Mutex
	keys map[string]bool
	wake chan struct{} // receives a value after add
}

func newWorkQueue() *workQueue {
	return &workQueue{keys: map[string]bool{}, wake: make(chan struct{}, 1)}
}

func (q *workQueue) add(key string) {
	q.mu.Lock()
	q.keys[key] = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take empties the queue and returns its keys.
func (q *workQueue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys := slices.Collect(maps.Keys(q.keys))
	clear(q.keys)
	return keys
}
