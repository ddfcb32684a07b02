// Package filestore keeps records in a folder of files: the default of the
// reference server, and enough for one machine.
//
// Each record is a JSON file of its own, <folder>/<kind>/<id>.json, with a
// checksum. A file is written under another name, synced, and renamed over the
// old one, and the folder is synced after that: whenever the process or the
// machine stops, a record is there either as it was before a Put or as it is
// after. Bytes are where os.Root lets them go: no id reaches outside the folder.
//
// Names are safe on disks that ignore case, and in a copy on any system: what is
// not a lower-case letter, digit, dot, dash or underscore is written as %xx, so
// are the names that Windows keeps for itself, and an id too long for a file name
// becomes its SHA-256.
//
// What is no sound record under the name of one (its checksum is wrong, somebody
// put it there, it is a folder or a link) is logged by name and moved to
// <folder>/.damaged; the rest goes on working. A file that may not be read is an
// error: nobody can say what it holds. Do not change files by hand.
//
// One process at a time has the folder open; <folder>/.lock says which. The
// package is for systems that can sync a folder: Unix, and not Windows.
package filestore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/patchsource/patchsource/store"
)

var (
	// ErrInUse is a folder that another Store, of this process or another, has
	// open.
	ErrInUse = errors.New("the folder is in use")
	// ErrDamaged is a record whose file is not sound. It has been set aside
	// when the error is returned: from then on the record is not there.
	ErrDamaged = errors.New("damaged record")
)

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

// Store is a [store.Store] in a folder. It is safe for concurrent use.
type Store struct {
	dir  string
	log  *slog.Logger
	lock *flock.Flock
	root *os.Root

	open  sync.RWMutex // held for reading by every call, for writing by Close
	ended bool

	mu    sync.Mutex
	kinds map[string]*kind

	// Writers of one record wait for each other; which of these they wait for,
	// its key says.
	seed    maphash.Seed
	writing [256]sync.Mutex
}

// Open opens the folder dir and makes it if it is not there. Leftovers of writes
// that a crash interrupted are removed. The error is [ErrInUse] when the folder
// is open already.
func Open(dir string, opts *Options) (_ *Store, err error) {
	s := &Store{dir: dir, log: slog.New(slog.DiscardHandler), kinds: map[string]*kind{}, seed: maphash.MakeSeed()}
	if opts != nil && opts.Logger != nil {
		s.log = opts.Logger
	}
	if err := makeFolder(dir); err != nil {
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
	if s.root, err = os.OpenRoot(dir); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	return s, nil
}

// A holder is what the lock file says of the process that has the folder.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func (s *Store) takeLock() error {
	path := filepath.Join(s.dir, lockName)
	s.lock = flock.New(path, flock.SetPermissions(0o600))
	ok, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("filestore: lock %s: %w", path, err)
	}
	if !ok {
		var h holder
		who := "another process"
		if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &h) == nil {
			who = fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
		}
		return fmt.Errorf("filestore: %s: %w by %s: stop that one first, or use another folder", s.dir, ErrInUse, who)
	}
	host, _ := os.Hostname()
	data, err := json.Marshal(holder{os.Getpid(), host, time.Now().UTC().Truncate(time.Second)})
	if err == nil {
		err = os.WriteFile(path, append(data, '\n'), 0o600)
	}
	if err != nil {
		_ = s.lock.Close()
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// sweep removes what interrupted writes have left.
func (s *Store) sweep() error {
	folders, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, f := range folders {
		if !f.IsDir() || store.CheckKind(f.Name()) != nil {
			continue
		}
		files, err := fs.ReadDir(s.root.FS(), f.Name())
		if err != nil {
			return err
		}
		for _, t := range files {
			if strings.HasPrefix(t.Name(), tempPrefix) && t.Type().IsRegular() {
				if err := s.root.Remove(f.Name() + "/" + t.Name()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Close gives the folder free. Calls under way are waited for; later ones fail
// with fs.ErrClosed.
func (s *Store) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	var errs []error
	for _, k := range s.kinds {
		errs = append(errs, k.self.Close(), k.root.Close())
	}
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// Ping implements [store.Pinger].
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, func() error {
		_, err := s.root.Stat(".")
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

// kind returns the folder of a kind. If it is not there, it is made, or the
// error is fs.ErrNotExist.
func (s *Store) kind(name string, make bool) (*kind, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.kinds[name]; k != nil {
		return k, nil
	}
	if make {
		if err := s.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		// Also when it was there: who made it may have been stopped here.
		if err := syncFolder(s.dir); err != nil {
			return nil, err
		}
	}
	root, err := s.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	k := &kind{root: root, self: self}
	s.kinds[name] = k
	return k, nil
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key store.Key) (r store.Record, err error) {
	if err := key.Check(); err != nil {
		return r, err
	}
	err = s.do(ctx, func() error {
		k, err := s.kind(key.Kind, false)
		if errors.Is(err, fs.ErrNotExist) {
			return store.ErrNotFound
		}
		if err != nil {
			return err
		}
		r, err = s.read(k, key.Kind, fileName(key.ID))
		if errors.Is(err, fs.ErrNotExist) {
			return store.ErrNotFound
		}
		return err
	})
	return r, err
}

// read reads a record from a file. A file that is not sound is set aside, and
// the error is ErrDamaged.
func (s *Store) read(k *kind, kindName, name string) (store.Record, error) {
	r, err := k.read(kindName, name)
	if errors.Is(err, ErrDamaged) {
		return s.setAside(k, kindName, name)
	}
	return r, err
}

// setAside moves a file that is not sound out of the way, unless a writer has
// put a sound one in its place by now: then it returns that.
func (s *Store) setAside(k *kind, kindName, name string) (store.Record, error) {
	defer s.lockFile(kindName, name)()
	r, damage := k.read(kindName, name)
	if !errors.Is(damage, ErrDamaged) {
		return r, damage
	}
	return store.Record{}, s.setAsideLocked(k, kindName, name, damage)
}

// setAsideLocked is setAside for who has the file's lock. It returns damage with
// the name of the file.
func (s *Store) setAsideLocked(k *kind, kindName, name string, damage error) error {
	if err := s.root.Mkdir(damagedFolder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return errors.Join(damage, err)
	}
	short := name
	if len(short) > 200 { // none of ours
		short = short[:100] + "…"
	}
	aside := damagedFolder + "/" + kindName + "-" + short + "." + time.Now().UTC().Format("20060102T150405.000000000")
	k.names.RLock()
	err := s.root.Rename(kindName+"/"+name, aside)
	k.names.RUnlock()
	if err == nil {
		err = errors.Join(syncFolder(filepath.Join(s.dir, damagedFolder)), syncFolder(s.dir), k.self.Sync())
	}
	if err != nil {
		return errors.Join(damage, err)
	}
	s.log.Error("a damaged record was set aside; the others go on working",
		"file", filepath.Join(s.dir, kindName, name), "moved_to", filepath.Join(s.dir, aside), "reason", damage)
	return fmt.Errorf("filestore: %s: %w", filepath.Join(s.dir, kindName, name), damage)
}

// lockFile makes writers of one record wait for each other.
func (s *Store) lockFile(kindName, name string) (unlock func()) {
	mu := &s.writing[maphash.String(s.seed, kindName+"/"+name)%uint64(len(s.writing))]
	mu.Lock()
	return mu.Unlock
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (rev store.Revision, err error) {
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
		k, err := s.kind(key.Kind, true)
		if err != nil {
			return err
		}
		defer s.lockFile(key.Kind, name)()
		if err := ctx.Err(); err != nil {
			return err
		}
		current, err := s.revision(k, key.Kind, name)
		if err != nil {
			return err
		}
		if err := cond.Check(current); err != nil {
			return err
		}
		return k.write(name, data)
	})
	if err != nil {
		return "", err
	}
	return next, nil
}

// revision returns the revision of the record in a file, empty if there is none.
// One that is not sound is set aside, and a writer puts another in its place. Who
// calls it has the file's lock.
func (s *Store) revision(k *kind, kindName, name string) (store.Revision, error) {
	r, err := k.head(name)
	if errors.Is(err, ErrDamaged) {
		err = s.setAsideLocked(k, kindName, name, err)
		if _, statErr := k.root.Lstat(name); errors.Is(statErr, fs.ErrNotExist) {
			return "", nil
		}
		return "", err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return r.Revision, err
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if err := key.Check(); err != nil {
		return err
	}
	name := fileName(key.ID)
	return s.do(ctx, func() error {
		k, err := s.kind(key.Kind, false)
		if errors.Is(err, fs.ErrNotExist) {
			return store.ErrNotFound
		}
		if err != nil {
			return err
		}
		defer s.lockFile(key.Kind, name)()
		if err := ctx.Err(); err != nil {
			return err
		}
		current, err := s.revision(k, key.Kind, name)
		if err != nil {
			return err
		}
		if current == "" {
			return store.ErrNotFound
		}
		if err := cond.Check(current); err != nil {
			return err
		}
		k.names.RLock()
		err = k.root.Remove(name)
		k.names.RUnlock()
		if err != nil {
			return err
		}
		return k.self.Sync()
	})
}

// List implements [store.Store]. Damaged files are set aside and left out.
func (s *Store) List(ctx context.Context, kindName string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if err := store.CheckKind(kindName); err != nil {
			yield(store.Record{}, err)
			return
		}
		var k *kind
		var entries []entry
		err := s.do(ctx, func() (err error) {
			if k, err = s.kind(kindName, false); err == nil {
				entries, err = k.entries()
			}
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		for _, e := range entries {
			var r store.Record
			err := s.do(ctx, func() (err error) {
				r, err = s.read(k, kindName, e.name)
				return err
			})
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
				continue // deleted since, or set aside just now
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}
