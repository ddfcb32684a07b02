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

// writeThrough replaces the file of a record atomically and durably.
func (s *Store) writeThrough(d *directory, name, id string, rev store.Revision, value []byte) error {
	data, err := encodeRecord(id, rev, value)
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	temp, err := s.createTemp(d, data)
	if err != nil {
		return err
	}
	if err := s.syncTemp(temp); err != nil {
		return err
	}
	if err := s.renameTemp(temp, name); err != nil {
		return err
	}
	return s.flush(d)
}

// A tempFile is a temporary file of a directory.
type tempFile struct {
	directory *directory
	name      string
	file      *os.File // nil after syncTemp
}

// createTemp creates a temporary file, which is not durable yet.
func (s *Store) createTemp(d *directory, data []byte) (*tempFile, error) {
	temp := &tempFile{directory: d, name: tempPrefix + rand.Text()}
	var err error
	d.creating.Lock()
	temp.file, err = s.create(d.root, temp.name)
	d.creating.Unlock()
	if err != nil {
		return nil, err
	}
	if err := s.writeAt(temp.file, data, 0); err != nil {
		_ = temp.file.Close()
		_ = s.remove(d.root, temp.name)
		return nil, err
	}
	return temp, nil
}

// syncTemp makes the bytes of a temporary file durable and closes it. If that fails, the file is removed.
func (s *Store) syncTemp(temp *tempFile) error {
	err := s.flushFile(temp.file)
	err = cmp.Or(err, temp.file.Close())
	temp.file = nil
	if err != nil {
		_ = s.remove(temp.directory.root, temp.name)
	}
	return err
}

// renameTemp gives a temporary file its name, or removes it if that fails.
func (s *Store) renameTemp(temp *tempFile, name string) error {
	d := temp.directory
	d.names.RLock()
	defer d.names.RUnlock()
	err := s.rename(d.root, temp.name, name)
	if err != nil {
		_ = s.remove(d.root, temp.name)
	}
	return err
}

// removeThrough removes a file durably.
func (s *Store) removeThrough(d *directory, name string) error {
	if err := s.removeFile(d, name); err != nil {
		return err
	}
	return s.flush(d)
}

// removeFile removes a file.
func (s *Store) removeFile(d *directory, name string) error {
	d.names.RLock()
	defer d.names.RUnlock()
	return s.remove(d.root, name)
}
