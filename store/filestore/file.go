package filestore

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/patchsource/patchsource/store"
)

// readFile reads the file of a record. The error is store.ErrCorrupt if the file is not that of a record.
func (s *Store) readFile(d *directory, name string) (store.Record, error) {
	info, err := d.regular(name)
	if err != nil {
		return store.Record{}, err
	}
	file, err := s.openFile(d.root, name)
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
		err = fmt.Errorf("%w: the file states the id %q", store.ErrCorrupt, r.Key.ID)
	}
	r.Key.Kind = d.name
	return r, err
}

// readHead reads the file of a record up to the value.
func (s *Store) readHead(d *directory, name string) (store.Record, error) {
	if _, err := d.regular(name); err != nil {
		return store.Record{}, err
	}
	file, err := s.openFile(d.root, name)
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

// regular describes a file. The error is store.ErrCorrupt for a directory or a link.
func (d *directory) regular(name string) (fs.FileInfo, error) {
	info, err := d.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is not a regular file", store.ErrCorrupt)
	}
	return info, err
}

// write replaces a file atomically and durably.
func (s *Store) write(d *directory, name string, data []byte) (err error) {
	temp := tempPrefix + rand.Text()
	file, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = s.flushFile(file)
	}
	if err = cmp.Or(err, file.Close()); err == nil {
		d.names.RLock()
		err = d.root.Rename(temp, name)
		d.names.RUnlock()
	}
	if err != nil {
		_ = d.root.Remove(temp)
		return err
	}
	return s.flush(d)
}

// remove removes a file durably.
func (s *Store) remove(d *directory, name string) error {
	d.names.RLock()
	err := d.root.Remove(name)
	d.names.RUnlock()
	if err != nil {
		return err
	}
	return s.flush(d)
}
