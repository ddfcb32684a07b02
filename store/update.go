package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// maxTries bounds the attempts of RetryConflicts.
	maxTries = 10
	// conflictPause is by how much the longest pause between two attempts grows with each.
	conflictPause = 10 * time.Millisecond
	// writeTimeout bounds a write that is not canceled with its caller's context.
	writeTimeout = 30 * time.Second
)

// Update changes the record under key by compare-and-swap. It reads the record, calls f with it, and writes the value
// that f returns on condition that the record has not changed meanwhile; after a conflict it begins again, as
// [RetryConflicts] does. If there is no record, f is called with one whose Revision is empty, and Update creates it.
// If f returns a nil value, Update writes nothing. A write that has begun is finished even if ctx ends; see [Finish].
//
// Update returns the record as it is afterwards. The error is that of f, unchanged, [ErrConflict] if other writers were
// faster in every attempt, [ErrCorrupt], another error of the store, or that of ctx.
func Update(ctx context.Context, s Store, key Key, f func(old Record) (value []byte, err error)) (Record, error) {
	var current Record
	err := RetryConflicts(ctx, func() error {
		old, err := s.Get(ctx, key)
		if errors.Is(err, ErrNotFound) {
			old, err = Record{Key: key}, nil
		}
		if err != nil {
			return fmt.Errorf("store: read %v: %w", key, err)
		}
		value, err := f(old)
		if err != nil || value == nil {
			current = old
			return err
		}
		err = Finish(ctx, func(ctx context.Context) error {
			rev, err := s.Put(ctx, key, value, IfUnchanged(old.Revision))
			current = Record{Key: key, Value: value, Revision: rev}
			return err
		})
		if err != nil {
			return fmt.Errorf("store: write %v: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return Record{}, err
	}
	return current, nil
}

// RetryConflicts calls try until its error is not [ErrConflict], at most 10 times, and returns that error. It is for
// a change that reads, decides and then writes on a condition: try must do all of this again. Between two attempts it
// waits for a random time of at most 90 ms.
//
// The error is that of try, which is ErrConflict after the last attempt, or that of ctx if ctx ends while it waits.
func RetryConflicts(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if n == maxTries {
			return fmt.Errorf("other writers were faster in %d attempts: %w", n, err)
		}
		pause(ctx, rand.N(time.Duration(n)*conflictPause))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// Finish calls write with a context that does not end with ctx, so that a write that has begun is brought to its end:
// the outcome of a canceled write is unknown. If ctx has ended already, Finish returns its cause and does not call
// write. The write times out after 30 seconds.
func Finish(ctx context.Context, write func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := WriteContext(ctx)
	defer cancel()
	return write(ctx)
}

// WriteContext returns a context with the values of ctx that does not end with ctx, but after 30 seconds. It is for
// work that must be done although its caller may have gone away, such as undoing half a change. The caller must call
// cancel.
func WriteContext(ctx context.Context) (write context.Context, cancel context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
}
