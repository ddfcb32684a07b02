// Package filestore keeps records in a directory of files. It is the default of the reference server and enough for one
// machine.
//
// Each record is a JSON file <directory>/<kind>/<id>.json with a checksum. All access goes through os.Root, so no id
// reaches a file outside the directory. Names in the directory that begin with a dot are not records: .lock, .journal,
// .damaged, and files that the program keeps there for itself.
//
// File names are safe on disks that ignore case, and when the directory is copied to any other system: every byte other
// than a lower-case letter, digit, dot, dash or underscore is escaped as %xx, names that Windows reserves are escaped,
// and an id that is too long for a file name is replaced by its SHA-256.
//
// # The journal
//
// A Put or Delete does not write the file of its record. It appends an entry to the journal, which is the directory
// .journal, and returns when the entry is durable; all changes that wait at the same moment are written and synced
// together. Until the file has been written, which happens about a second later, the change exists only in the journal
// and in memory, where Get and List find it. Several changes of a record in that time share one writing of its file.
// [Store.Flush] and [Store.Close] write all files. Records of kind "config", and with them the format marker of package
// store, are written to their files at once and are never in the journal.
//
// The journal is a few segment files. An entry has a number, the key of the record, the revisions before and after the
// change, and the new value, or how it differs from the one before if that is shorter; see entry.go and delta.go. To
// write files, the store
//
//  1. begins a new segment,
//  2. writes the changed records to temporary files and syncs these,
//  3. renames them to their names, removes the files of deleted records, and syncs the directories,
//  4. and only then removes the old segments, or keeps one to be used again.
//
// A file on the disk is thus always that of the old or that of the new value, whole, and the journal is kept until the
// new one is durable. While files cannot be written fast enough, changes wait, so that memory and journal stay bounded.
// While they cannot be written at all, changes are accepted until these bounds.
//
// Do not delete .journal: after a crash it has changes that were acknowledged and are nowhere else. A copy of the
// directory is complete if the store was closed before, or if the file system copies it in one instant.
//
// # After a crash
//
// Open makes the changes of the journal again and writes their files. It compares the revision in each file with those
// in the journal, so it does not matter how many files had been written, nor whether an earlier Open was interrupted.
//
// Entries at the end of the journal that are incomplete were not acknowledged and are ignored. If an entry is missing or
// has a wrong checksum although later ones are intact, the journal is damaged. All changes that can be made are made;
// the record of a difference whose base is missing keeps its earlier state and is named in the log. The damaged segment
// is kept in .damaged, and Faults reports it until it is removed. The same happens if the file of a record was replaced
// by another one after the crash: the file wins.
//
// # Faults
//
// A file with the name of a record is corrupt if its checksum is wrong, if something else wrote it, or if it is a
// directory or a link. It is logged and moved to <directory>/.damaged, and the store continues without it. If its name
// can be that of a record, Faults reports the moved file until the record is written or deleted or the file is removed.
// Faults reports .damaged itself if it cannot be read. A corrupt file that cannot be moved, a corrupt file of kind
// "config" and a file that cannot be read are logged and stay where they are: Get returns an error, List omits the
// record, Put and Delete fail, and Faults reports the file. Do not edit the files by hand.
//
// After a failed sync, the system does not tell which changes have reached the disk. The Put or Delete returns an
// error, and so do all later ones, and Ping, until the directory is opened again; reading continues. The same happens
// if the directory or its journal is deleted or replaced while it is open. It is never mistaken for an empty store. A
// full disk makes changes fail only as long as it is full.
//
// One process at a time can open the directory; <directory>/.lock names it. The package supports systems that can sync
// a directory: Unix, but not Windows.
package filestore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"

	"github.com/patchsource/patchsource/store"
)

// ErrInUse reports that another Store, of this process or another one, has opened the directory.
var ErrInUse = errors.New("the directory is in use")

const (
	lockName   = ".lock"
	asideDir   = ".damaged" // for corrupt files
	tempPrefix = ".tmp-"
)

// Options are options of [Open]. A nil *Options means the zero value.
type Options struct {
	// Logger logs corrupt files and failed syncs. If nil, nothing is logged.
	Logger *slog.Logger
}

// Store is a [store.Store] in a directory. It is a [store.Pinger], a [store.Inspector] and a [store.Revisioner].
// It is safe for concurrent use.
type Store struct {
	dir  string // absolute
	log  *slog.Logger
	lock *flock.Flock
	top  *directory // dir itself

	open   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool

	mu    sync.Mutex
	kinds map[string]*directory

	// A writer holds the lock that the hash of its record's key selects.
	seed    maphash.Seed
	writing [4096]sync.Mutex

	journal journal
	overlay overlay
	behind  writeBehind

	failure atomic.Pointer[error] // the error of every change after a failed sync; nil if none has failed
	faults  faults
	disk
}

// Open opens the directory dir and creates it if necessary. It removes the temporary files of writes that a crash
// interrupted. The error is [ErrInUse] if the directory is already open.
func Open(dir string, opts *Options) (*Store, error) {
	s := newStore()
	if err := s.start(dir, opts); err != nil {
		return nil, err
	}
	return s, nil
}

// newStore returns a Store to be started.
func newStore() *Store {
	return &Store{
		log:    slog.New(slog.DiscardHandler),
		kinds:  map[string]*directory{},
		seed:   maphash.MakeSeed(),
		behind: newWriteBehind(),
		disk:   systemDisk(),
	}
}

// start opens the directory of a new store.
func (s *Store) start(dir string, opts *Options) (err error) {
	if opts != nil && opts.Logger != nil {
		s.log = opts.Logger
	}
	if s.dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if err := makeDirectories(s.dir); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if err := s.takeLock(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.release(false)
		}
	}()
	root, err := os.OpenRoot(s.dir)
	if err == nil {
		s.top, err = newDirectory(root, "")
	}
	if err == nil {
		err = s.removeTemporary()
	}
	if err == nil {
		err = s.openJournal()
	}
	if err == nil {
		err = s.recoverJournal()
	}
	if err != nil {
		return fmt.Errorf("filestore: %s: %w", s.dir, err)
	}
	s.journal.done, s.behind.ended = make(chan struct{}), make(chan struct{})
	go s.runCommitter()
	go s.runWriteBehind()
	if err := s.writeFiles(); err != nil && s.stopped() == nil { // the reason is in the log
		notify(s.behind.dirty)
	}
	s.findMissing()
	return nil
}

// removeTemporary removes the temporary files of interrupted writes.
func (s *Store) removeTemporary() error {
	top := s.top.root.FS()
	kinds, err := fs.ReadDir(top, ".")
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if !kind.IsDir() || store.CheckKind(kind.Name()) != nil {
			continue
		}
		files, err := fs.ReadDir(top, kind.Name())
		if err != nil {
			return err
		}
		for _, file := range files {
			if !strings.HasPrefix(file.Name(), tempPrefix) || !file.Type().IsRegular() {
				continue
			}
			if err := s.top.root.Remove(kind.Name() + "/" + file.Name()); err != nil {
				s.log.Warn("cannot remove the temporary file of an interrupted write",
					"file", filepath.Join(s.dir, kind.Name(), file.Name()), "error", err)
			}
		}
	}
	return nil
}

// Close writes all changes to the files of their records and releases the directory. It waits for calls in progress;
// later calls fail with fs.ErrClosed. If the changes cannot be written, it returns an error, and they stay in the
// journal. Closing a closed Store does nothing.
func (s *Store) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.behind.stop)
	<-s.behind.ended
	if s.stopped() != nil { // which the calls have returned
		return s.release(false)
	}
	err := s.writeFiles()
	return errors.Join(err, s.release(err == nil))
}

// release closes everything. If clean, there are no changes that are not in the files of their records.
func (s *Store) release(clean bool) error {
	errs := []error{s.closeJournal(clean)}
	for _, d := range s.kinds {
		errs = append(errs, d.Close())
	}
	if s.top != nil {
		errs = append(errs, s.top.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// Ping implements [store.Pinger]. It returns an error if a sync has failed since the directory was opened, or if the
// directory, or that of a kind, was deleted or replaced.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, func() error {
		if err := s.stopped(); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.inPlace(s.top); err != nil {
			return err
		}
		if err := s.inPlace(s.journal.dir); err != nil {
			return err
		}
		for _, d := range s.kinds {
			if err := s.inPlace(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// do calls f if the store is open, and keeps it open meanwhile.
func (s *Store) do(ctx context.Context, f func() error) error {
	s.open.RLock()
	defer s.open.RUnlock()
	if s.closed {
		return fmt.Errorf("filestore: %s: %w", s.dir, fs.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f()
}
