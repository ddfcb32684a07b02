// Package filestore keeps records in a folder of files: the default of the
// reference server, and enough for one machine.
//
// Each record is a JSON file of its own, <folder>/<kind>/<id>.json, with a
// checksum. A file is written under another name, synced, and renamed over the
// old one, and the folder is synced after that: whenever the process or the
// machine stops, a record is there either as it was before a Put or as it is
// after. Bytes are where os.Root lets them go: no id reaches outside the folder.
// Names of the folder that begin with a dot are no records: .lock, .damaged, and
// those that a program keeps there for itself.
//
// Names are safe on disks that ignore case, and in a copy on any system: what is
// not a lower-case letter, digit, dot, dash or underscore is written as %xx, so
// are the names that Windows keeps for itself, and an id too long for a file name
// becomes its SHA-256.
//
// # Faults
//
// What is no sound record under the name of one (its checksum is wrong, somebody
// put it there, it is a folder or a link) is logged by name and moved to
// <folder>/.damaged; the rest goes on working. If a record can have its name,
// Faults names it there until the record is written again or deleted, or the file
// is removed; it names .damaged if that cannot be read. A damaged file that cannot
// be moved, one of the kind "config", and a file that cannot be read, are logged and
// stay where they are: Get returns an error, List leaves the record out, Put and
// Delete refuse to touch it, and Faults names it. Do not change files by hand.
//
// After a sync that failed, the system does not tell which changes have reached
// the disk. The Put or Delete returns an error, and so does every later one, and
// Ping, until the folder was opened again; reading goes on. A folder that was
// deleted or replaced while it is open fails likewise, and is never taken for an
// empty one.
//
// One process at a time has the folder open; <folder>/.lock says which. The
// package is for systems that can sync a folder: Unix, and not Windows.
package filestore

import (
	"context"
	"crypto/rand"
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
	lockName      = ".lock"
	damagedFolder = ".damaged"
	tempPrefix    = ".tmp-"
)

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Logger is told of damaged files. Nil: nobody is, but the error of Get.
	Logger *slog.Logger
}

// Store is a [store.Store] in a folder. It is a [store.Pinger] and a
// [store.Inspector]. It is safe for concurrent use.
type Store struct {
	dir  string // absolute
	log  *slog.Logger
	lock *flock.Flock
	top  *folder // dir itself

	open  sync.RWMutex // held for reading by every call, for writing by Close
	ended bool

	mu    sync.Mutex
	kinds map[string]*folder

	// Writers of one record wait for each other; which of these they wait for,
	// its key says.
	seed    maphash.Seed
	writing [256]sync.Mutex

	failure atomic.Pointer[error] // the sync that failed; nil: none has
	faults  faults

	// Tests replace these to make them fail.
	openFile func(*os.Root, string) (*os.File, error)
	syncFile func(*os.File) error
}

// Open opens the folder dir and makes it if it is not there. Leftovers of writes
// that a crash interrupted are removed. The error is [ErrInUse] when the folder
// is open already.
func Open(dir string, opts *Options) (_ *Store, err error) {
	s := &Store{
		log:      slog.New(slog.DiscardHandler),
		kinds:    map[string]*folder{},
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
	if err := makeFolder(s.dir); err != nil {
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
		s.top, err = newFolder(root, "")
	}
	if err == nil {
		err = s.sweep()
	}
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	s.findMissing()
	return s, nil
}

// sweep removes what interrupted writes have left.
func (s *Store) sweep() error {
	top := s.top.root.FS()
	folders, err := fs.ReadDir(top, ".")
	if err != nil {
		return err
	}
	for _, f := range folders {
		if !f.IsDir() || store.CheckKind(f.Name()) != nil {
			continue
		}
		files, err := fs.ReadDir(top, f.Name())
		if err != nil {
			return err
		}
		for _, t := range files {
			if !strings.HasPrefix(t.Name(), tempPrefix) || !t.Type().IsRegular() {
				continue
			}
			if err := s.top.root.Remove(f.Name() + "/" + t.Name()); err != nil {
				s.log.Warn("a leftover of an interrupted write cannot be removed",
					"file", filepath.Join(s.dir, f.Name(), t.Name()), "error", err)
			}
		}
	}
	return nil
}

// Close releases the folder. It waits for calls in progress; later ones fail with
// fs.ErrClosed.
func (s *Store) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	var errs []error
	for _, f := range s.kinds {
		errs = append(errs, f.Close())
	}
	if s.top != nil {
		errs = append(errs, s.top.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// Ping implements [store.Pinger]. It returns an error if a sync has failed since
// the folder was opened, or if the folder, or that of a kind, was deleted or
// replaced.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, func() error {
		if err := s.stopped(); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		err := s.inPlace(s.top)
		for _, f := range s.kinds {
			if err == nil {
				err = s.inPlace(f)
			}
		}
		return err
	})
}

// do runs f while the store is open.
func (s *Store) do(ctx context.Context, f func() error) error {
	s.open.RLock()
	defer s.open.RUnlock()
	if s.ended {
		return fmt.Errorf("filestore: %s: %w", s.dir, fs.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f()
}

// kind returns the folder of a kind, or store.ErrNotFound if it is not there.
func (s *Store) kind(name string) (*folder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kindLocked(name)
}

// kindLocked is kind for callers that hold s.mu.
func (s *Store) kindLocked(name string) (*folder, error) {
	if f := s.kinds[name]; f != nil {
		return f, nil
	}
	root, err := s.top.root.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.absent(s.top)
	}
	if err != nil {
		return nil, err
	}
	f, err := newFolder(root, name)
	if err == nil {
		s.kinds[name] = f
	}
	return f, err
}

// makeKind returns the folder of a kind and makes it if it is not there.
func (s *Store) makeKind(name string) (*folder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.kinds[name]; f != nil {
		return f, nil
	}
	if err := s.changeable(s.top); err != nil {
		return nil, err
	}
	if err := s.top.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Also when it was there: the process that made it may have been stopped here.
	if err := s.flush(s.top); err != nil {
		return nil, err
	}
	return s.kindLocked(name)
}

// lockRecord makes writers of one record wait for each other.
func (s *Store) lockRecord(kind, name string) (unlock func()) {
	mu := s.recordLock(kind, name)
	mu.Lock()
	return mu.Unlock
}

// recordLock returns the lock that a record shares with some others.
func (s *Store) recordLock(kind, name string) *sync.Mutex {
	return &s.writing[maphash.String(s.seed, kind+"/"+name)%uint64(len(s.writing))]
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key store.Key) (r store.Record, err error) {
	if err := key.Check(); err != nil {
		return r, err
	}
	err = s.do(ctx, func() error {
		f, err := s.kind(key.Kind)
		if err != nil {
			return err
		}
		r, err = s.read(f, fileName(key.ID))
		return err
	})
	return r, err
}

// Put implements [store.Store].
func (s *Store) Put(
	ctx context.Context, key store.Key, value []byte, cond store.Condition,
) (rev store.Revision, err error) {
	if err := key.Check(); err != nil {
		return "", err
	}
	name := fileName(key.ID)
	// The bytes are made before others have to wait.
	next := store.Revision(rand.Text())
	data, err := encodeRecord(key.ID, next, value)
	if err != nil {
		return "", fmt.Errorf("filestore: %w", err)
	}
	err = s.do(ctx, func() error {
		f, err := s.makeKind(key.Kind)
		if err != nil {
			return err
		}
		return s.change(ctx, f, name, func(current store.Revision) error {
			if err := cond.Check(current); err != nil {
				return err
			}
			return s.write(f, name, data)
		})
	})
	if err != nil {
		return "", err
	}
	return next, nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if err := key.Check(); err != nil {
		return err
	}
	name := fileName(key.ID)
	// Of one that is not there any more, nobody knows whether a condition would have held.
	whatever := cond == store.Condition{}
	return s.do(ctx, func() error {
		f, err := s.kind(key.Kind)
		if errors.Is(err, store.ErrNotFound) && s.stopped() == nil && whatever {
			s.forgetAside(key.Kind, name)
		}
		if err != nil {
			return err
		}
		return s.change(ctx, f, name, func(current store.Revision) error {
			if current == "" && whatever {
				s.forgetAside(f.name, name)
			}
			if current == "" {
				return store.ErrNotFound
			}
			if err := cond.Check(current); err != nil {
				return err
			}
			return s.remove(f, name)
		})
	})
}

// change runs do with the current revision of a record, empty if there is none,
// while no other writer changes the record.
func (s *Store) change(ctx context.Context, f *folder, name string, do func(current store.Revision) error) error {
	defer s.lockRecord(f.name, name)()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.changeable(f); err != nil {
		return err
	}
	current, err := s.revision(f, name)
	if err != nil {
		return err
	}
	if err := do(current); err != nil {
		return err
	}
	s.faults.clear(f, name)
	s.forgetAside(f.name, name)
	return nil
}
