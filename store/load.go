package store

import (
	"context"
	"fmt"
	"iter"
	"sync"
)

const (
	// maxLoadPuts is the maximum number of records that Load puts concurrently. A store that syncs each write can
	// combine them.
	maxLoadPuts = 32
	// maxSharedBytes bounds the records that are put while others are, and so the memory that they take.
	maxSharedBytes = 1 << 20
)

// A Loader is a Store that can write many new records, such as those of a backup, at a lower cost than that of a Put
// for each. It is an optional capability; see [Load].
type Loader interface {
	// Load writes new records, as the function [Load] describes.
	Load(ctx context.Context, records iter.Seq2[Record, error]) error
}

// Load writes new records and returns when all of them are durable. It ignores their revisions and gives them new ones.
// The order in which they are written is not defined. Load uses the [Loader] that s has, or puts several records at a
// time if it has none. It ranges over records once, in the calling goroutine, and keeps a bounded number of them.
//
// Until Load returns, a reader may get records that are not durable yet, the caller must not change the bytes of the
// values, and no other call may change a record with one of the keys.
//
// The error is [ErrConflict] if a record already exists or occurs twice, the one that records yields, that of the store
// or of ctx. Any of the records may then have been written. A caller that must not mistake them for all of them marks
// the store before Load and removes the mark afterwards.
func Load(ctx context.Context, s Store, records iter.Seq2[Record, error]) error {
	if l, ok := As[Loader](s); ok {
		return l.Load(ctx, records)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var puts sync.WaitGroup
	places := make(chan struct{}, maxLoadPuts)
	for r, err := range records {
		if err != nil {
			cancel(err)
		}
		exclusive := len(r.Value) > maxSharedBytes
		if exclusive {
			puts.Wait()
		}
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		puts.Go(func() {
			defer func() { <-places }()
			if _, err := s.Put(ctx, r.Key, r.Value, IfAbsent()); err != nil {
				cancel(fmt.Errorf("record %q: %w", r.Key.ID, err))
			}
		})
		if exclusive {
			puts.Wait()
		}
	}
	puts.Wait()
	return context.Cause(ctx)
}
