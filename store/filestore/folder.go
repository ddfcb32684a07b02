package filestore

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// A kind is the folder of one kind of record.
type kind struct {
	root *os.Root
	self *os.File // to sync the folder
	// names is held for writing while the folder is read, and for reading while
	// a name comes or goes, so that a listing misses none.
	names sync.RWMutex
}

func (k *kind) read(kindName, name string) (store.Record, error) {
	if err := k.regular(name); err != nil {
		return store.Record{}, err
	}
	data, err := k.root.ReadFile(name)
	if err != nil {
		return store.Record{}, err
	}
	r, err := decodeRecord(data)
	if err == nil && fileName(r.Key.ID) != name {
		err = fmt.Errorf("%w: it says that its id is %q", ErrDamaged, r.Key.ID)
	}
	r.Key.Kind = kindName
	return r, err
}

// regular reports whether a file is one, and no folder or link: that is damage.
func (k *kind) regular(name string) error {
	info, err := k.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is no file", ErrDamaged)
	}
	return err
}

// write replaces a file, whole or not at all, and durably.
func (k *kind) write(name string, data []byte) (err error) {
	temp := tempPrefix + rand.Text()
	f, err := k.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = k.root.Remove(temp)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = cmp.Or(err, f.Close()); err != nil {
		return err
	}
	k.names.RLock()
	err = k.root.Rename(temp, name)
	k.names.RUnlock()
	if err != nil {
		return err
	}
	return k.self.Sync()
}

// head reads what stands in front of the value.
func (k *kind) head(name string) (store.Record, error) {
	if err := k.regular(name); err != nil {
		return store.Record{}, err
	}
	f, err := k.root.Open(name)
	if err != nil {
		return store.Record{}, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxHead))
	if err != nil {
		return store.Record{}, err
	}
	r, _, err := decodeHead(head)
	return r, err
}

// An entry is a file and the id that it is for.
type entry struct{ name, id string }

// entries returns the files of a kind in the order of their ids.
func (k *kind) entries() ([]entry, error) {
	k.names.Lock()
	defer k.names.Unlock()
	dir, err := k.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(names))
	for _, name := range names {
		if !strings.HasSuffix(name, fileSuffix) || strings.HasPrefix(name, tempPrefix) {
			continue
		}
		id, ok := fileID(name)
		if !ok { // a long id; or no file of ours, which reading it will tell
			if r, err := k.head(name); err == nil {
				id = r.Key.ID
			}
		}
		entries = append(entries, entry{name, id})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	return entries, nil
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
	return syncFolder(parent)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
