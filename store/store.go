// Package store is what patchsource asks of a storage: four methods, two errors
// and revisions. It is as little as memory, files, an SQL database and object
// storage can all promise, so that each of them can hold everything.
//
// # The rules
//
// A [Record] is a value of any bytes under a [Key]. Every successful Put gives it
// a new [Revision]; a revision never comes back, not even when a record is
// deleted and made again with the same bytes.
//
// Put and Delete take a [Condition] and are atomic: of any number of writers, in
// any number of processes, that name one revision (or [IfAbsent]), exactly one
// succeeds, and the others get [ErrConflict] and change nothing. There are no
// transactions over several records: what must survive a crash together lives in
// one record.
//
// When Put or Delete returns nil, the change is durable as far as the storage
// can promise it. When it returns [ErrNotFound] or [ErrConflict], nothing has
// changed. After any other error the outcome is unknown, and Get tells.
//
// All methods are safe for concurrent use. All keep neither the value handed in
// nor the one handed out.
//
// # Backends
//
// Package store/memstore is for tests and demos, package store/filestore keeps a
// folder of files. Package store/storetest proves that a backend keeps the rules;
// to write one, implement [Store] and run that.
//
// A decorator, which adds something to a Store it holds, has a method
// Unwrap() Store, so that [As] finds the capabilities of what is inside.
//
// # Formats
//
// The record config/format is the store's format marker: the newest format in
// which any of its records is written. A program checks it with [CheckFormat]
// before it reads anything else, and keeps it checked with [Guard] while it runs.
// A program that meets a newer marker does not open the store, or stops changing
// it: it neither leaves out nor rewrites records that it does not understand.
//
// A change of how records are written that older versions would misread needs
//
//   - a reader of both formats, in a release that still writes the old one, so that
//     servers over one store can be upgraded one after the other;
//   - a higher [Format] in the first release that writes the new one, which raises
//     the marker when it opens a store;
//   - a sample of the old records that all later versions are tested with.
//
// Records of an older format stay readable for ever.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

var (
	// ErrNotFound reports that there is no record under a key.
	ErrNotFound = errors.New("record not found")
	// ErrConflict reports that the condition of a Put or Delete does not hold.
	ErrConflict = errors.New("record has changed")
	// ErrCorrupt reports that a record exists, but its bytes are not those that were written.
	ErrCorrupt = errors.New("corrupt record")
)

const (
	// MaxKindLength is the most bytes of a Key's Kind.
	MaxKindLength = 32
	// MaxIDLength is the most bytes of a Key's ID.
	MaxIDLength = 512
)

// A Key names a record.
type Key struct {
	// Kind is the kind of thing, such as "titles": 1 to 32 of a to z.
	Kind string
	// ID is the thing's name within the kind: 1 to 512 bytes of UTF-8 without
	// NUL. Ids that differ in case only name different records.
	ID string
}

// String returns the key as kind/id, for logs.
func (k Key) String() string { return k.Kind + "/" + k.ID }

// Check reports why k cannot be a key. Backends call it first; a key that fails
// is a mistake of the program.
func (k Key) Check() error {
	if err := CheckKind(k.Kind); err != nil {
		return err
	}
	switch {
	case k.ID == "" || len(k.ID) > MaxIDLength:
		return fmt.Errorf("store: the id of a %s record has %d bytes, want 1 to %d", k.Kind, len(k.ID), MaxIDLength)
	case !utf8.ValidString(k.ID) || strings.Contains(k.ID, "\x00"):
		return fmt.Errorf("store: the id of a %s record is not UTF-8 without NUL: %q", k.Kind, k.ID)
	}
	return nil
}

// CheckKind reports why kind cannot be the kind of a key.
func CheckKind(kind string) error {
	if kind == "" || len(kind) > MaxKindLength || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("store: kind %q is not 1 to %d of a to z", kind, MaxKindLength)
	}
	return nil
}

// A Revision tells one state of a record from every other. It is opaque, and
// never empty for a record that exists.
type Revision string

// A Record is a value and where it is kept.
type Record struct {
	Key      Key
	Value    []byte
	Revision Revision
}

// A Condition is what must hold for a Put or Delete to happen. The zero
// Condition always holds.
type Condition struct {
	absent   bool
	revision Revision
}

// IfAbsent holds when there is no record under the key. On Delete it never
// holds.
func IfAbsent() Condition { return Condition{absent: true} }

// IfRevision holds when the record under the key is in this revision. An empty
// revision never holds.
func IfRevision(r Revision) Condition {
	if r == "" {
		r = "\x00 no record has this revision"
	}
	return Condition{revision: r}
}

// IfUnchanged holds when the record under the key is still as it was read: in revision r, or absent if r is empty.
func IfUnchanged(r Revision) Condition {
	if r == "" {
		return IfAbsent()
	}
	return IfRevision(r)
}

// Absent reports whether c is [IfAbsent].
func (c Condition) Absent() bool { return c.absent }

// Revision returns the revision of an [IfRevision] condition; ok is false for
// any other.
func (c Condition) Revision() (r Revision, ok bool) { return c.revision, c.revision != "" }

// Check returns nil if c holds for a record in revision current, empty for a
// record that is not there; otherwise ErrConflict.
func (c Condition) Check(current Revision) error {
	if c.absent && current != "" || c.revision != "" && c.revision != current {
		return ErrConflict
	}
	return nil
}

// A Store keeps records. The package comment has the rules.
type Store interface {
	// Get returns a record. The error is ErrNotFound if there is none, and
	// ErrCorrupt if its bytes are not those that were written.
	Get(ctx context.Context, key Key) (Record, error)
	// Put writes a record and returns its new revision, or ErrConflict.
	Put(ctx context.Context, key Key, value []byte, cond Condition) (Revision, error)
	// Delete removes a record. The error is ErrNotFound when there is none,
	// whatever the condition, or ErrConflict.
	Delete(ctx context.Context, key Key, cond Condition) error
	// List yields the records of a kind in the order of their ids' bytes. Each
	// record is one that existed in full while the list went on; a record that
	// is there from beginning to end is yielded once, unless it cannot be read and
	// the store is an Inspector that says so. The error ends the list.
	List(ctx context.Context, kind string) iter.Seq2[Record, error]
}

// A Change is a record that may have changed.
type Change struct {
	// Key is the record. The zero Key stands for all of the kind.
	Key Key
	// Revision is the revision after the change; empty: deleted, or not known.
	Revision Revision
}

// A Watcher is a Store that tells of changes, also of those made by others. It is
// an optional capability; see [As].
type Watcher interface {
	// Watch yields changes of a kind until ctx ends or the loop is left. The
	// first is the zero Key, which says that from now on nothing is missed; it
	// comes again after a gap (a lost connection, a reader too slow), when
	// everything has to be read anew. An error says that changes may be missed;
	// the sequence goes on if it can.
	Watch(ctx context.Context, kind string) iter.Seq2[Change, error]
}

// A Pinger is a Store that can say whether it is reachable. It is an optional
// capability; see [Ping].
type Pinger interface {
	Ping(ctx context.Context) error
}

// Ping reports whether s is reachable. A Store that cannot say is.
func Ping(ctx context.Context, s Store) error {
	if p, ok := As[Pinger](s); ok {
		return p.Ping(ctx)
	}
	return nil
}

// A Fault is a record that is there and cannot be read, or one that is missing
// because it was damaged.
type Fault struct {
	// Name is where the record is kept, such as the path of a file.
	Name string
	// Reason is why it cannot be read, and what to do about it.
	Reason string
}

// An Inspector is a Store that remembers which records it could not read. It is
// an optional capability; see [Faults].
type Inspector interface {
	// Faults returns the records that Get or List could not read since the store
	// was opened, and those that are missing because they were damaged, before as
	// well, sorted by name, 100 at most, and where those are kept if that cannot be read.
	// Every call looks at them again. A record stays a fault until it can be read,
	// was written again, was deleted or was removed, and, if a List has left it out,
	// until the store was opened again: those that listed it do not know it.
	Faults(ctx context.Context) []Fault
}

// Faults returns the records that s could not read. A Store that is no
// [Inspector] has none.
func Faults(ctx context.Context, s Store) []Fault {
	if i, ok := As[Inspector](s); ok {
		return i.Faults(ctx)
	}
	return nil
}

// As finds a capability, such as [Watcher] or io.Closer, of s or of what s
// decorates: the first that has it, from the outside in.
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
