// Package filestore keeps records in a directory of files. It is the default of the reference server and enough for one
// machine.
//
// Each record is a JSON file <directory>/<kind>/<id>.json with a checksum. A file is written under a temporary name,
// synced and renamed to its own name, and then the directory is synced. Whenever the process or the machine stops,
// the record is either as it was before a Put or as it is after it. All access goes through os.Root, so no id reaches
// a file outside the directory. Names in the directory that begin with a dot are not records: .lock, .damaged, and
// files that the program keeps there for itself.
//
// File names are safe on disks that ignore case, and when the directory is copied to any other system: every byte other
// than a lower-case letter, digit, dot, dash or underscore is escaped as %xx, names that Windows reserves are escaped,
// and an id that is too long for a file name is replaced by its SHA-256.
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
// if the directory is deleted or replaced while it is open. It is never mistaken for an empty store.
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

// Store is a [store.Store] in a directory. It is a [store.Pinger] and a [store.Inspector]. It is safe for concurrent
// use.
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
	writing [256]sync.Mutex

	failure atomic.Pointer[error] // the error of every change after a failed sync; nil if none has failed
	faults  faults

	// Tests replace these to make them fail.
	openFile func(*os.Root, string) (*os.File, error)
	syncFile func(*os.File) error
}

// Open opens the directory dir and creates it if necessary. It removes the temporary files of writes that a crash
// interrupted. The error is [ErrInUse] if the directory is already open.
func Open(dir string, opts *Options) (_ *Store, err error) {
	s := &Store{
		log:      slog.New(slog.DiscardHandler),
		kinds:    map[string]*directory{},
		seed:     maphash.MakeSeed(),
		openFile: (*os.Root).Open,
		syncFile: (*os.File).Sync,
	}
	if opts != nil && opts.Logger != nil {
		s.log = opts.Logger
	}
	if s.dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	if err := makeDirectories(s.dir); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	root, err := os.OpenRoot(s.dir)
	if err == nil {
		s.top, err = newDirectory(root, "")
	}
	if err == nil {
		err = s.removeTemporary()
	}
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	s.findMissing()
	return s, nil
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

// Close releases the directory. It waits for calls in progress; later calls fail with fs.ErrClosed. Closing a closed
// Store does nothing.
func (s *Store) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
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
