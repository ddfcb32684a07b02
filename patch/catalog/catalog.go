// Package catalog is the service in the middle of patchsource, and the only
// writer of titles: every invariant about them is kept here, once.
//
//   - An id names one title, without regard to case, and is answered as it was
//     created.
//   - A definition is valid (see [patch.Definition.Validate]) before it is kept,
//     currentVersion is the first patch's, and lastModified moves forward with
//     every change.
//   - A title that follows a source elsewhere refuses edits.
//   - No earlier definition is lost: a revision is written before the change that
//     replaces it.
//   - No update is lost: in the process one writer at a time changes a title,
//     and against other servers over the same store each write is conditional
//     and tried again a bounded number of times.
//   - A title's summary and its definition never disagree, not even while it is
//     being changed.
//
// # How reads are fast
//
// Lists and selections never touch the store. An immutable index, replaced as a
// whole by every change, holds each title's summary, written as JSON once, and
// the whole list with its ETag, made at most once per change. Definitions are
// held, as they are and compressed, in a cache bounded by bytes; a miss reads one
// record, once for all who wait for it.
//
// # Several servers
//
// Over a store that is a [store.Watcher], a catalog sees what others change.
// Over any other it must be the only one.
//
// A Catalog is safe for concurrent use.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

var (
	// ErrNotFound is a title that is not there.
	ErrNotFound = errors.New("title not found")
	// ErrExists is the creation of a title whose id is taken, in any case.
	ErrExists = errors.New("title exists already")
	// ErrIDDiffers is the replacement of a title by a definition with another
	// id.
	ErrIDDiffers = errors.New("the definition has another id")
	// ErrSynced is an edit of a title that follows a source elsewhere.
	ErrSynced = errors.New("the title follows a source elsewhere")
	// ErrNotSynced is an edit that comes from a source that the title does not
	// follow.
	ErrNotSynced = errors.New("the title does not follow this source")
	// ErrPrecondition is an edit of a title that has changed since its caller
	// read it; see [EditOptions].
	ErrPrecondition = errors.New("the title has changed")
	// ErrUnavailable is a failure of the store. What was asked for may or may
	// not be there, or have happened.
	ErrUnavailable = errors.New("the store is unavailable")
	// ErrClosed is a change after [Catalog.Close]. It is an ErrUnavailable.
	ErrClosed = fmt.Errorf("%w: the catalog is closed", ErrUnavailable)
)

// A TitleError says which title an error is about. It unwraps to one of this
// package's errors.
type TitleError struct {
	ID string
	// Follows is the URL that the title follows, with [ErrSynced]. It may hold a secret: Error leaves it out.
	Follows string
	Err     error
}

// Error says what is wrong, and where.
func (e *TitleError) Error() string {
	return fmt.Sprintf("title %q: %v", e.ID, e.Err)
}

// Unwrap returns the kind of the error.
func (e *TitleError) Unwrap() error { return e.Err }

const (
	// DefaultCacheBytes is how much of definitions is held in memory when
	// [Options] says nothing else: 256 MiB.
	DefaultCacheBytes = 256 << 20
	// DefaultMaxDefinitionBytes is the largest definition that is kept when
	// [Options] says nothing else: 10 MiB.
	DefaultMaxDefinitionBytes = patch.DefaultMaxBytes
)

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Logger is told of records that cannot be read and of lost connections.
	// Nil: silent.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// CacheBytes bounds the memory that definitions and selections are held in.
	// 0: DefaultCacheBytes.
	CacheBytes int64
	// MaxDefinitionBytes bounds a definition, also one that grows by a version.
	// 0: DefaultMaxDefinitionBytes.
	MaxDefinitionBytes int
	// History is how many earlier revisions of a definition are kept. 0:
	// DefaultHistory; negative: none.
	History int
	// HistoryBytes bounds the bytes of a title's earlier revisions; the newest of
	// them is kept whatever its size. 0: DefaultHistoryBytes; negative: no bound.
	HistoryBytes int64
	// MaxAccountBytes bounds the bytes of all titles of one account; see
	// [CreateOptions] and [ErrTooMuch]. It is approximate: several changes made at
	// the same time, here or by other servers, may exceed it together. 0:
	// DefaultMaxAccountBytes; negative: no bound.
	MaxAccountBytes int64
	// Couriers take notices of every change; see [Courier].
	Couriers []Courier
	// Lint are the options of the lint that every write goes through; its Now
	// does not count. Warnings are returned with the write's result, those that
	// are made errors refuse it, as patch.ErrInvalid. Nil: every rule warns.
	Lint *patch.LintOptions
}

// A Catalog holds the titles of a store. Make one with [Open].
type Catalog struct {
	store store.Store
	log   *slog.Logger
	now   func() time.Time
	max   int
	rules patch.LintOptions

	history         int   // how many earlier revisions are kept
	historyBytes    int64 // negative: no bound
	maxAccountBytes int64 // negative: no bound

	couriers  []Courier
	chores    *chores
	shared    bool         // other servers may be over the same store
	restoring sync.RWMutex // held for reading by who changes a title, for writing by a restore
	closing   sync.RWMutex // held for reading by every change, for writing from Close on
	closed    sync.Once
	damaged   damaged

	index       atomic.Pointer[index]
	publishing  sync.Mutex     // held to replace index
	definitions *cache[origin] // by title key
	selections  *cache[uint64] // by the ids asked for; of an index, by its number
	others      *cache[uint64] // what contributors' own feeds are made of
	reads       singleflight.Group
	writers     locks

	subscribing sync.Mutex
	subscribers map[*func(Event)]bool

	stop context.CancelFunc
	over <-chan struct{} // closed by Close
	done sync.WaitGroup
}

// Open reads all titles of s and returns a Catalog of them. ctx bounds the
// reading alone. A title whose record is damaged is left out and counted by
// [Catalog.Damaged].
//
// The error is [store.ErrFormat] if a newer version wrote the store or one of its
// titles, [ErrUnavailable] or that of ctx; any other says that s or a courier is nil.
func Open(ctx context.Context, s store.Store, opts *Options) (*Catalog, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.History == 0 {
		o.History = DefaultHistory
	}
	if o.HistoryBytes == 0 {
		o.HistoryBytes = DefaultHistoryBytes
	}
	if o.MaxAccountBytes == 0 {
		o.MaxAccountBytes = DefaultMaxAccountBytes
	}
	if o.MaxDefinitionBytes == 0 {
		o.MaxDefinitionBytes = DefaultMaxDefinitionBytes
	}
	if s == nil || slices.Contains(o.Couriers, nil) {
		return nil, errors.New("catalog: the store or a courier is nil")
	}
	if err := store.CheckFormat(ctx, s); err != nil {
		return nil, openError(err)
	}
	c := &Catalog{
		store:           s,
		log:             o.Logger,
		now:             o.Now,
		max:             o.MaxDefinitionBytes,
		rules:           lintOptions(o.Lint),
		history:         max(o.History, 0),
		historyBytes:    o.HistoryBytes,
		maxAccountBytes: o.MaxAccountBytes,
		couriers:        slices.Clone(o.Couriers),
		chores:          newChores(),
		definitions:     newCache[origin](o.CacheBytes - o.CacheBytes/8),
		selections:      newCache[uint64](o.CacheBytes / 16),
		others:          newCache[uint64](o.CacheBytes / 16),
		subscribers:     map[*func(Event)]bool{},
	}
	watching, stop := context.WithCancel(context.Background())
	c.stop, c.over = stop, watching.Done()
	if w, ok := store.As[store.Watcher](s); ok {
		c.shared = true
		// Watch first, read then: nothing is missed in between.
		begun := make(chan struct{})
		c.done.Go(func() { c.watch(watching, w, begun) })
		select {
		case <-begun:
		case <-ctx.Done():
			_ = c.Close()
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
	unsettled, err := c.load(ctx)
	if err == nil {
		err = c.settleAll(ctx, unsettled)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	c.done.Go(func() { c.doChores(watching) })
	return c, nil
}

// openError returns the error of Open for one of the store.
func openError(err error) error {
	if errors.Is(err, store.ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Close waits for the changes in progress, and stops watching the store and the
// background work. Later changes return [ErrClosed]; what is in memory can still be
// read. Close does not close the store. Closing again does nothing.
func (c *Catalog) Close() error {
	c.closed.Do(c.closing.Lock) // for good
	c.stop()
	c.done.Wait()
	return nil
}

// begin begins a change of titles, which lasts until end is called. The error is
// ErrClosed, or errRestoring if a restore is in progress.
func (c *Catalog) begin() (end func(), err error) {
	// Only Close and restores take these locks for writing, and a change must wait
	// for neither.
	if !c.closing.TryRLock() {
		return nil, ErrClosed
	}
	if !c.restoring.TryRLock() {
		c.closing.RUnlock()
		return nil, errRestoring
	}
	return func() {
		c.restoring.RUnlock()
		c.closing.RUnlock()
	}, nil
}

// Done returns a channel that is closed when the catalog is closed, so that work
// over the catalog can end with it.
func (c *Catalog) Done() <-chan struct{} { return c.over }

// Ping reports whether the store is reachable.
func (c *Catalog) Ping(ctx context.Context) error { return store.Ping(ctx, c.store) }

// load reads all titles into a new index. It returns the keys of records that a
// process before has left in the middle of something.
func (c *Catalog) load(ctx context.Context) (unsettled []string, err error) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	var entries []*entry
	for r, err := range c.store.List(ctx, kind) {
		if err != nil {
			return nil, openError(err)
		}
		rec, err := decodeRecord(r.Value)
		if errors.Is(err, store.ErrFormat) {
			return nil, fmt.Errorf("record %v: %w", r.Key, err)
		}
		var e *entry
		if err == nil {
			e, err = rec.liveEntry(r)
		}
		if err != nil {
			c.log.Error("a title cannot be read and is left out", "record", r.Key.String(), "error", err)
			c.damaged.add(r.Key.ID)
			continue
		}
		if rec.Staged != nil || c.leftBehind(rec) {
			unsettled = append(unsettled, r.Key.ID)
		}
		if rec.State == gone || len(rec.Undelivered) > 0 && len(c.couriers) > 0 {
			c.chores.add(r.Key.ID)
		}
		if e != nil {
			entries = append(entries, e)
		}
	}
	c.index.Store(newIndex(entries, c.now()))
	return unsettled, nil
}

// abandoned reports whether a record is of a reservation that came to nothing.
func (c *Catalog) abandoned(rec *record) bool {
	return rec.State == pending && rec.Staged == nil && c.now().Sub(rec.Since) > reservationTimeout
}

// leftBehind reports whether a record that is there at the start is of a reservation
// that came to nothing: over a store that is not shared, nobody can be publishing yet.
func (c *Catalog) leftBehind(rec *record) bool {
	return c.abandoned(rec) || !c.shared && rec.State == pending && rec.Staged == nil
}

// settleAll finishes or undoes what a process before has left: restores, and
// reservations.
func (c *Catalog) settleAll(ctx context.Context, keys []string) error {
	for _, key := range keys {
		unlock, err := c.writers.lock(ctx, key)
		if err != nil {
			return err
		}
		old, rec, err := c.readSettled(ctx, key)
		if err == nil && c.leftBehind(rec) {
			err = c.giveUp(ctx, key, old.Revision, rec)
		}
		unlock()
		// Somebody else may be faster, or another server at it: then there is nothing to
		// do here.
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) &&
			!errors.Is(err, errRestoring) {
			return err
		}
	}
	if c.shared {
		return nil // a commit may be of another server that is at it
	}
	var done []store.Key
	for r, err := range c.store.List(ctx, commitKind) {
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		done = append(done, r.Key)
	}
	for _, key := range done {
		if err := c.store.Delete(ctx, key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}
