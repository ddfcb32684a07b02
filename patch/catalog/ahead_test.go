package catalog

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
)

// numbers yields the numbers from 0 to n-1, and then an error if it is not nil.
func numbers(n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

func TestReadAheadKeepsTheOrder(t *testing.T) {
	const n = 100
	errEnd := errors.New("end")
	var reading, maximum atomic.Int64
	full := make(chan struct{}) // closed when as many read as may
	read := func(_ context.Context, key int) (int, error) {
		now := reading.Add(1)
		defer reading.Add(-1)
		if now == maxReadAhead && key < maxReadAhead {
			close(full)
		}
		<-full
		maximum.Store(max(maximum.Load(), now))
		return 2 * key, nil
	}
	next := 0
	var last error
	for value, err := range readAhead(t.Context(), numbers(n, errEnd), read) {
		if last = err; err != nil {
			continue
		}
		if value != 2*next {
			t.Fatalf("got %d, want %d", value, 2*next)
		}
		next++
	}
	if next != n || !errors.Is(last, errEnd) {
		t.Errorf("got %d values and the error %v, want %d and that of the keys", next, last, n)
	}
	if m := maximum.Load(); m > maxReadAhead+1 {
		t.Errorf("%d were read at once, want at most %d", m, maxReadAhead+1)
	}
}

// A receiver that stops ends the reads, and does not return before they have returned.
func TestReadAheadStops(t *testing.T) {
	var reading atomic.Int64
	read := func(ctx context.Context, key int) (int, error) {
		reading.Add(1)
		defer reading.Add(-1)
		if key > 0 {
			<-ctx.Done()
		}
		return key, ctx.Err()
	}
	for range readAhead(t.Context(), numbers(100, nil), read) {
		break
	}
	if n := reading.Load(); n != 0 {
		t.Errorf("%d reads have not returned", n)
	}
}

// A sequence that a context ends has an error, so that it is not taken for a whole one.
func TestReadAheadOfAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read := func(_ context.Context, key int) (int, error) {
		if key == 3 {
			cancel()
		}
		return key, nil
	}
	var last error
	for _, err := range readAhead(ctx, numbers(100, nil), read) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the last error is %v, want that of the context", last)
	}
}
