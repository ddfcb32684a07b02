package filestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
)

// A directory is the directory of the store or that of one kind of records.
type directory struct {
	name string // the kind; empty for the directory of the store
	root *os.Root
	self *os.File // to sync the directory
	// names is held for writing while the names in the directory are read, and for reading while one is added or
	// removed, so that a list does not miss any.
	names sync.RWMutex
	// creating is held while a file is created: the system creates one at a time in a directory, and a second creator
	// uses a processor while it waits.
	creating sync.Mutex
	named    bool // the name of the directory itself is durable; guarded by Store.mu

	changed  atomic.Uint64 // counts the changes of names
	flushing sync.Mutex
	flushed  uint64 // the changes that are durable; guarded by flushing
}

// newDirectory returns a directory, which then owns root.
func newDirectory(root *os.Root, name string) (*directory, error) {
	self, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return &directory{name: name, root: root, self: self}, nil
}

// Close closes the directory.
func (d *directory) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }

// path returns the full name of a file in d, for messages.
func (s *Store) path(d *directory, name string) string { return filepath.Join(s.dir, d.name, name) }

// kind returns the directory of a kind. The error is store.ErrNotFound if there is none.
func (s *Store) kind(name string) (*directory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kindLocked(name)
}

// kindLocked does the work of kind. The caller must hold s.mu.
func (s *Store) kindLocked(name string) (*directory, error) {
	if d := s.kinds[name]; d != nil {
		return d, nil
	}
	root, err := s.top.root.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.absent(s.top)
	}
	if err != nil {
		return nil, err
	}
	d, err := newDirectory(root, name)
	if err == nil {
		s.kinds[name] = d
	}
	return d, err
}

// makeKind returns the directory of a kind and creates it if necessary.
func (s *Store) makeKind(name string) (*directory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.kinds[name]; d != nil && d.named {
		return d, nil
	}
	if err := s.changeable(s.top); err != nil {
		return nil, err
	}
	if err := s.top.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Flush even if it exists: the process that created it may have stopped before it did.
	if err := s.flush(s.top); err != nil {
		return nil, err
	}
	d, err := s.kindLocked(name)
	if err == nil {
		d.named = true
	}
	return d, err
}

// makeDirectories creates a directory and its parents durably.
func makeDirectories(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err // the next step fails if it is not a directory
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDirectories(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !syncsDirectories {
		return nil
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncsDirectories says that a name in a directory is durable only after a sync of the directory. Windows has no such
// call: NTFS keeps a journal of names by itself.
const syncsDirectories = runtime.GOOS != "windows"
