package store

import (
	"context"
	"iter"
	"time"
)

// A Watcher is a Store that reports changes, including those that other processes make. It is an optional capability;
// see [Follow] and [As].
type Watcher interface {
	// Watch yields changes of the records of a kind until ctx ends or the loop is left. The first change has the zero
	// Key and says that no later change is missed. A change can be read when it is yielded: Get returns the record in
	// that revision or a later one. The zero Key comes again after a gap, such as a lost connection or a reader that is
	// too slow: all records must then be read again. An error says that changes may have been missed; the sequence
	// continues if it can, and the zero Key then comes before any further change. A storage that does not answer any
	// more is such an error within about three seconds.
	Watch(ctx context.Context, kind string) iter.Seq2[Change, error]
}

// A Change names a record that may have changed.
type Change struct {
	// Key is the key of the record. The zero Key stands for all records of the kind.
	Key Key
	// Revision is the revision after the change. It is empty if the record was deleted or the revision is unknown.
	Revision Revision
	// Heartbeat, if not zero, makes this a heartbeat in place of a change, which only a [HeartbeatWatcher] yields: the
	// watch has yielded every change of the kind that was made before this time, by the clock of this process. The
	// other fields are then zero.
	Heartbeat time.Time
}

// A HeartbeatWatcher is a Watcher that proves now and then that a watch is complete. Without such proofs, a watch that
// was cut off looks like one without changes. It is an optional capability; see [Follow] and [As].
type HeartbeatWatcher interface {
	Watcher
	// WatchHeartbeats is like Watch and also yields heartbeats, at least one every two seconds while the storage
	// answers. None comes before the first zero Key, or between a gap and the zero Key that follows it.
	//
	// The time of a heartbeat is that at which the storage was asked for changes, with the reading of the monotonic
	// clock, and not that of its answer. Every change whose Put or Delete had returned without an error by then, in any
	// process, has been yielded before the heartbeat. A storage that does not answer therefore gives none.
	WatchHeartbeats(ctx context.Context, kind string) iter.Seq2[Change, error]
}

// A Pinger is a Store that can check whether it is reachable. It is an optional capability; see [Ping].
type Pinger interface {
	// Ping returns an error if the storage is not reachable or cannot be changed.
	Ping(ctx context.Context) error
}

// Ping returns the error of the [Pinger] that s has, or nil if it has none.
func Ping(ctx context.Context, s Store) error {
	if p, ok := As[Pinger](s); ok {
		return p.Ping(ctx)
	}
	return nil
}

// A Revisioner is a Store that can list the revisions of its records without reading their values. It is an optional
// capability; see [Revisions].
type Revisioner interface {
	// Revisions yields the key and the revision of each record of a kind that List would yield, in the same order and
	// with the same guarantees. An error ends the sequence.
	Revisions(ctx context.Context, kind string) iter.Seq2[Change, error]
}

// Revisions yields the key and the revision of each record of a kind, so that a reader that knows many of them can read
// only those that have changed, such as after a gap in a watch. It asks the [Revisioner] that s has, or lists the
// records if it has none.
func Revisions(ctx context.Context, s Store, kind string) iter.Seq2[Change, error] {
	if r, ok := As[Revisioner](s); ok {
		return r.Revisions(ctx, kind)
	}
	return func(yield func(Change, error) bool) {
		for r, err := range s.List(ctx, kind) {
			if !yield(Change{Key: r.Key, Revision: r.Revision}, err) {
				return
			}
		}
	}
}

// A Fault is a record that exists but cannot be read, or one that is missing because it was corrupt.
type Fault struct {
	// Name is the place of the record, such as the path of a file.
	Name string
	// Reason is why the record cannot be read, and what to do about it.
	Reason string
}

// An Inspector is a Store that remembers the records that it could not read. It is an optional capability; see
// [Faults].
type Inspector interface {
	// Faults returns the records that Get or List could not read since the store was opened, those that are missing
	// because they were corrupt, and the place where corrupt records are kept if that cannot be read. They are sorted
	// by name, and there are at most 100. Every call inspects them again. A record stays a fault until it can be
	// read, was written or deleted, or its file was removed. A record that a List has omitted stays a fault until the
	// store is opened again, because callers of List do not know it.
	Faults(ctx context.Context) []Fault
}

// Faults returns the faults of the [Inspector] that s has, or none if it has none.
func Faults(ctx context.Context, s Store) []Fault {
	if i, ok := As[Inspector](s); ok {
		return i.Faults(ctx)
	}
	return nil
}

// As finds a capability, such as [Watcher] or io.Closer, of s or of the stores that s decorates. It returns the
// outermost store that has it.
func As[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		u, ok := s.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		s = u.Unwrap()
	}
	var none T
	return none, false
}
