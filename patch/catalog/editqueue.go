package catalog

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A pendingEdit is an edit of a title's definition that waits for its turn, or is being made.
type pendingEdit struct {
	ctx  context.Context // of the caller
	id   string
	opts EditOptions
	edit editor

	// done is closed when the outcome is known: a result, an error, the value of a panic of edit or of a subscriber, or
	// that edit has ended its goroutine.
	done     chan struct{}
	result   Result
	err      error
	panicked any
	exited   bool
}

// finish ends the edit with an error, or else its result.
func (e *pendingEdit) finish(err error) {
	e.err = err
	close(e.done)
}

// outcome waits for the outcome of the edit and returns it. It panics, or ends the goroutine, if the edit did.
func (e *pendingEdit) outcome() (Result, error) {
	<-e.done
	if e.panicked != nil {
		panic(e.panicked)
	}
	if e.exited {
		runtime.Goexit()
	}
	if e.err != nil {
		return Result{}, e.err
	}
	return e.result, nil
}

// finished reports whether the outcome is known.
func (e *pendingEdit) finished() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// call calls edit, in a goroutine of its own, because edit may end it, as testing.T.FailNow does. call reports whether
// edit has returned: if it has panicked, or ended its goroutine, the caller of the edit does the same.
func (e *pendingEdit) call(rec *record, now time.Time) (made edited, returned bool, err error) {
	e.panicked, e.exited = nil, false
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if !returned {
				e.panicked = recover()
				e.exited = e.panicked == nil
			}
		}()
		made, err = e.edit(rec, now)
		returned = true
	}()
	<-ended
	return made, returned, err
}

// An editQueue holds the edits of each title that wait for its lock, in their order: whoever holds the lock makes all
// of them. The zero value is ready.
type editQueue struct {
	mu      sync.Mutex
	waiting map[string][]*pendingEdit // by title key
}

// add adds an edit at the end.
func (q *editQueue) add(key string, e *pendingEdit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = map[string][]*pendingEdit{}
	}
	q.waiting[key] = append(q.waiting[key], e)
}

// remove removes an edit. The result is false if it does not wait: it is being made, or was.
func (q *editQueue) remove(key string, e *pendingEdit) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting[key], e)
	if i < 0 {
		return false
	}
	q.set(key, slices.Delete(q.waiting[key], i, i+1))
	return true
}

// take removes the first edits, at most n, and returns them.
func (q *editQueue) take(key string, n int) []*pendingEdit {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.waiting[key]
	n = min(n, len(all))
	first := slices.Clone(all[:n])
	q.set(key, slices.Delete(all, 0, n))
	return first
}

// takeAll removes all edits and returns them.
func (q *editQueue) takeAll(key string) []*pendingEdit { return q.take(key, math.MaxInt) }

// putBack adds the edits that are not finished at the front again.
func (q *editQueue) putBack(key string, edits []*pendingEdit) {
	edits = slices.DeleteFunc(edits, (*pendingEdit).finished)
	if len(edits) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.set(key, append(edits, q.waiting[key]...))
}

func (q *editQueue) set(key string, edits []*pendingEdit) {
	if len(edits) == 0 {
		delete(q.waiting, key)
	} else {
		q.waiting[key] = edits
	}
}
