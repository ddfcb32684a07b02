package catalog

import (
	"context"
	"iter"
	"sync"
)

// maxReadAhead is the maximum number of titles that are read concurrently, ahead of their receiver, for a backup.
const maxReadAhead = 8

// readAhead calls read for several keys concurrently, and yields the results in the order of the keys. An error of keys
// is yielded in its place. If ctx ends, so does the sequence, with an error.
func readAhead[K, V any](
	ctx context.Context, keys iter.Seq2[K, error], read func(ctx context.Context, key K) (V, error),
) iter.Seq2[V, error] {
	type result struct {
		value V
		err   error
	}
	return func(yield func(V, error) bool) {
		reading, cancel := context.WithCancel(ctx)
		pending := make(chan chan result, maxReadAhead-1) // its receiver waits for one more
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		readers.Go(func() {
			defer close(pending)
			for key, err := range keys {
				one := make(chan result, 1)
				select {
				case pending <- one:
				case <-reading.Done():
					return
				}
				if err != nil {
					one <- result{err: err}
					continue
				}
				readers.Go(func() {
					value, err := read(reading, key)
					one <- result{value, err}
				})
			}
		})
		for one := range pending {
			r := <-one
			if !yield(r.value, r.err) {
				return
			}
		}
		if err := context.Cause(ctx); err != nil {
			var none V
			yield(none, err)
		}
	}
}
