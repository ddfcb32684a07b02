// Package store defines the storage that patchsource uses: four methods, two errors and revisions. Memory, files, an
// SQL database and object storage can all implement it, so that each of them can hold everything.
//
// # The rules
//
// A [Record] is a value of any bytes under a [Key]. Every successful Put gives the record a new [Revision]. A revision
// is never used again, even if the record is deleted and created again with the same bytes.
//
// Put and Delete take a [Condition] and are atomic: of any number of writers, in any number of processes, that name the
// same revision (or [IfAbsent]), exactly one succeeds. The others get [ErrConflict] and change nothing. There are no
// transactions over several records: data that must survive a crash together is one record.
//
// When Put or Delete returns nil, the change is as durable as the storage can make it. When it returns [ErrNotFound] or
// [ErrConflict], nothing has changed. After any other error the outcome is unknown; Get returns the current record.
//
// All methods are safe for concurrent use. A store keeps neither the value that it is given nor the one that it
// returns.
//
// # Capabilities
//
// A store may implement further interfaces: [Watcher], [HeartbeatWatcher], [Revisioner], [Loader], [Pinger],
// [Inspector] and io.Closer. [As] finds them. A decorator, which adds something to another Store, has a method
// Unwrap() Store, so that As finds the capabilities of the inner store too.
//
// # Idioms
//
// Callers do not write the usual loops over a store themselves:
//
//   - [Update] changes one record by compare-and-swap, and [RetryConflicts] is its loop for other changes;
//   - [Finish] and [WriteContext] bring a write to its end although its caller has gone away;
//   - [Load] writes many new records at once;
//   - [ListReadable] lists the records of a kind although some of them are corrupt;
//   - [Follow] keeps an index in memory up to date with the changes of other servers;
//   - [Campaign] elects one of several servers to do a piece of work.
//
// # Backends
//
// Package store/memstore is for tests and demonstrations, package store/filestore keeps a directory of files for one
// server, and package store/sqlstore keeps tables in PostgreSQL for several. To write another backend, implement
// [Store] and test it with package store/storetest.
//
// # Formats
//
// The record config/format is the store's format marker: the newest format of any of its records. A program checks it
// with [CheckFormat] before it reads anything else, or with [Guard], which also watches it while the program runs. A
// program that finds a newer marker does not open the store, or stops changing it: it neither omits nor rewrites
// records that it does not understand.
//
// A change of the form of records that older versions would misread needs
//
//   - a reader of both formats, in a release that still writes the old one, so that servers over one store can be
//     upgraded one after the other;
//   - a higher [Format] in the first release that writes the new one, which raises the marker when it opens a store;
//   - a sample of the old records with which all later versions are tested.
//
// Records of an older format stay readable forever.
package store

import (
	"context"
	"errors"
	"iter"
)

var (
	// ErrNotFound reports that there is no record under a key.
	ErrNotFound = errors.New("record not found")
	// ErrConflict reports that the condition of a Put or Delete does not hold.
	ErrConflict = errors.New("record has changed")
	// ErrCorrupt reports that a record exists, but its bytes are not those that were written.
	ErrCorrupt = errors.New("corrupt record")
)

// A Store keeps records. The package comment has the rules.
type Store interface {
	// Get returns a record. The error is ErrNotFound if there is none and ErrCorrupt if its bytes are not those that
	// were written.
	Get(ctx context.Context, key Key) (Record, error)
	// Put writes a record and returns its new revision. The error is ErrConflict if cond does not hold.
	Put(ctx context.Context, key Key, value []byte, cond Condition) (Revision, error)
	// Delete removes a record. The error is ErrNotFound if there is none, whatever the condition, and ErrConflict if
	// cond does not hold.
	Delete(ctx context.Context, key Key, cond Condition) error
	// List yields the records of a kind in the order of the bytes of their ids. It yields each record as it was at some
	// moment during the list, and each record that exists from beginning to end once, unless the store is an Inspector
	// and reports that the record cannot be read. An error ends the list.
	List(ctx context.Context, kind string) iter.Seq2[Record, error]
}

// A Record is a value with its key and revision.
type Record struct {
	Key      Key
	Value    []byte
	Revision Revision
}

// A Revision distinguishes a state of a record from all others. It is opaque, and never empty for a record that exists.
type Revision string
