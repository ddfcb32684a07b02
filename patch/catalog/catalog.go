// Package catalog keeps the titles of a patch source in a store. It is the only writer of titles, and maintains all
// invariants about them:
//
//   - An id names one title, without regard to case, and keeps the case in which it was created.
//   - A definition is valid (see [patch.Definition.Validate]) before it is stored, its currentVersion is that of the
//     first patch, and its lastModified moves forward with every change.
//   - A title that follows a source accepts edits only from that source.
//   - No earlier definition is lost: a change writes it as a revision with the one that replaces it, or before.
//   - No update is lost: in the process, one writer at a time changes a title. Against other servers over the same
//     store, each write is conditional, and is retried after a conflict a bounded number of times.
//   - A title's summary and its definition agree at every moment.
//
// # Reads
//
// Lists, selections and pages do not read the store. An immutable index has all titles, in several orders. A change
// makes another one, which shares the unchanged parts. The list of all titles is kept in chunks, and a change makes one
// of them again. Definitions are cached, also compressed, up to a number of bytes. A miss reads one record, once for
// all concurrent readers.
//
// The records of the kind "snapshots" hold what the index has, so that a catalog of many titles opens quickly. They may
// be deleted at any time.
//
// # Changes
//
// A change is durable when its method returns. [Catalog.Subscribe] calls functions with each change that this catalog
// makes. A [Courier] receives a notice of each change at least once, even if the process is killed.
//
// # Several servers
//
// If the store is a [store.Watcher], several servers may use it: each sees the changes of the others. One of them,
// which holds a lease, does the work that follows changes: it delivers the notices of all servers to its couriers,
// removes the records of deleted titles, and settles the restores of servers that have died. When it dies, another
// takes over after Options.Lease. No clocks are compared for that. If the store is not a Watcher, a catalog must be the
// only one that uses it, and does that work at once.
package catalog

import (
	"context"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// A Catalog keeps the titles of a store. [Open] returns one. It is safe for concurrent use.
//
// After [Catalog.Close], all of its methods that can return an error return [ErrClosed], except Close. The others
// answer from memory.
type Catalog struct {
	titles *titleStore
	writer *titleWriter
	lists  *listCache

	background sync.WaitGroup
	stopping   context.Context // of the background work; it ends with stop
	stop       context.CancelFunc
}

// Close stops the catalog: it waits for the changes in progress, ends the background work, and writes a snapshot of the
// titles for the next start if there are many. It does not close the store. Closing again does nothing. The error is
// always nil.
func (c *Catalog) Close() error {
	c.titles.gate.close()
	c.stop()
	c.background.Wait()
	return nil
}

// Done returns a channel that is closed when the catalog is closed, so that other work can end with it.
func (c *Catalog) Done() <-chan struct{} { return c.stopping.Done() }

// Ping reports whether the store can be reached. The error is [ErrClosed] or that of [store.Ping].
func (c *Catalog) Ping(ctx context.Context) error {
	if err := c.titles.gate.check(); err != nil {
		return err
	}
	return store.Ping(ctx, c.titles.store)
}

// Caches returns the statistics of the caches of definitions and of selections.
func (c *Catalog) Caches() (definitions, selections CacheStats) {
	return c.titles.definitions.stats(), c.lists.selections.stats()
}

// Subscribe calls f with every change that is made through c, until cancel is called. It does not report changes made
// by other servers. The changes of one title are reported in order; f may be called concurrently for several titles.
//
// A goroutine that changes the title calls f, and all writers of the title wait for it. f must therefore return
// soon, and must neither change titles nor read definitions, which may wait for this change. It may call
// [Catalog.Title]. If f panics, the method that made the change panics after it is written.
func (c *Catalog) Subscribe(f func(Event)) (cancel func()) { return c.writer.events.add(f) }
