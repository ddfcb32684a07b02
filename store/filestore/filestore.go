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
	"slices"
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

// Store is a [store.Store] in a directory. It is a [store.Pinger], a [store.Inspector], a [store.Revisioner] and a
// [store.Loader]. It is safe for concurrent use.
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
	batch   int // the number of new records that Load writes at once

	failure atomic.Pointer[error] // the error of every change after a failed sync; nil if none has failed
	faults  faults
	disk
}

// Open opens the directory dir and creates it if necessary. It removes the temporary files of writes that a crash
// interrupted. The error is [ErrInUse] if the directory is already open.
//
// The caller must call [store.CheckFormat] before it changes a record: without the format marker, an earlier version of
// this package opens the directory after a crash and does not see the changes in the journal.
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
		batch:  openTemps,
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
	if err := s.writeFiles(); err != nil && s.stopped() == nil { // the reason is in the log
		// The numbers in a part that cannot be read are not known, so entries with the same numbers must not follow.
		if slices.ContainsFunc(s.journal.sealed, func(g *segment) bool { return g.unreadable }) {
			return fmt.Errorf("a part of the journal cannot be read, and the rest cannot be written to the files: %w",
				err)
		}
		notify(s.behind.dirty)
	}
	go s.runWriteBehind()
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
		if err := s.removeTemporaryOf(kind.Name()); err != nil {
			return err
		}
	}
	return nil
}

// removeTemporaryOf removes those of one kind. It reads only names, as there may be many files.
func (s *Store) removeTemporaryOf(kind string) error {
	dir, err := s.top.root.Open(kind)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, tempPrefix) {
			continue
		}
		path := kind + "/" + name
		info, err := s.top.root.Lstat(path)
		if err == nil && info.Mode().IsRegular() {
			err = s.top.root.Remove(path)
		}
		if err != nil {
			s.log.Warn("cannot remove the temporary file of an interrupted write",
				"file", filepath.Join(s.dir, kind, name), "error", err)
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

// Ping implements [store.Pinger]. It returns an error if changes are refused, because a sync has failed since the
// directory was opened or because too many changes could not be written to their files, or if the directory, or that
// of a kind, was deleted or replaced.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, func() error {
		if err := s.stopped(); err != nil {
			return err
		}
		if err := s.behind.lastFailure(); err != nil && s.loaded(maxRecords, maxBytes, maxJournal) {
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
