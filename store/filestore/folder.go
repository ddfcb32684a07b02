package filestore

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/patchsource/patchsource/store"
)

// A folder is the folder of the store, or that of one kind of record.
type folder struct {
	name string // the kind; empty for the folder of the store
	root *os.Root
	self *os.File // to sync the folder
	// names is held for writing while the folder is read, and for reading while
	// a name comes or goes, so that a listing misses none.
	names sync.RWMutex

	// changed counts the changes of names, flushed those that are durable.
	changed  atomic.Uint64
	flushing sync.Mutex // guards flushed
	flushed  uint64
}

// newFolder returns a folder and takes over root.
func newFolder(root *os.Root, name string) (*folder, error) {
	self, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return &folder{name: name, root: root, self: self}, nil
}

func (f *folder) Close() error { return errors.Join(f.self.Close(), f.root.Close()) }

// path returns the full name of a file in f, for messages.
func (s *Store) path(f *folder, name string) string { return filepath.Join(s.dir, f.name, name) }

// readFile reads a record. The error is store.ErrCorrupt if the file is not sound.
func (s *Store) readFile(f *folder, name string) (store.Record, error) {
	info, err := f.regular(name)
	if err != nil {
		return store.Record{}, err
	}
	file, err := s.openFile(f.root, name)
	if err != nil {
		return store.Record{}, err
	}
	defer file.Close()
	var data bytes.Buffer
	data.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := data.ReadFrom(file); err != nil {
		return store.Record{}, err
	}
	r, err := decodeRecord(data.Bytes())
	if err == nil && fileName(r.Key.ID) != name {
		err = fmt.Errorf("%w: it says that its id is %q", store.ErrCorrupt, r.Key.ID)
	}
	r.Key.Kind = f.name
	return r, err
}

// regular describes a file. A folder or a link under the name of one is damage.
func (f *folder) regular(name string) (fs.FileInfo, error) {
	info, err := f.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is no file", store.ErrCorrupt)
	}
	return info, err
}

// head reads what stands in front of the value.
func (s *Store) head(f *folder, name string) (store.Record, error) {
	if _, err := f.regular(name); err != nil {
		return store.Record{}, err
	}
	file, err := s.openFile(f.root, name)
	if err != nil {
		return store.Record{}, err
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, maxHead))
	if err != nil {
		return store.Record{}, err
	}
	r, _, err := decodeHead(head)
	return r, err
}

// write replaces a file, whole or not at all, and durably.
func (s *Store) write(f *folder, name string, data []byte) (err error) {
	temp := tempPrefix + rand.Text()
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = s.flushFile(file)
	}
	if err = cmp.Or(err, file.Close()); err == nil {
		f.names.RLock()
		err = f.root.Rename(temp, name)
		f.names.RUnlock()
	}
	if err != nil {
		_ = f.root.Remove(temp)
		return err
	}
	return s.flush(f)
}

// remove removes a file durably.
func (s *Store) remove(f *folder, name string) error {
	f.names.RLock()
	err := f.root.Remove(name)
	f.names.RUnlock()
	if err != nil {
		return err
	}
	return s.flush(f)
}

// makeFolder makes a folder and those that it lies in, durably.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err // what is there and no folder, the next step finds
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
