package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/patchsource/patchsource/store"
)

// flush makes created, renamed and removed names in d durable. Callers that arrive while another one syncs the
// directory share the next sync.
func (s *Store) flush(d *directory) error {
	n := d.changed.Add(1)
	d.flushing.Lock()
	defer d.flushing.Unlock()
	if d.flushed >= n {
		return nil
	}
	// The operating system reports a failed sync to one caller only. After it, this caller's change may be lost even if
	// its own sync succeeds.
	if err := s.stopped(); err != nil {
		return err
	}
	covered := d.changed.Load()
	if syncsDirectories {
		if err := s.syncFile(d.self); err != nil {
			return s.stopChanges(err)
		}
	}
	d.flushed = covered
	return nil
}

// flushFile makes the bytes of a new file durable. A full disk does not stop later changes, because the file is not in
// use yet.
func (s *Store) flushFile(file *os.File) error {
	err := s.syncFile(file)
	if err == nil || isFull(err) {
		return err
	}
	return s.stopChanges(err)
}

// stopChanges makes every later change fail because a sync failed with cause. It returns the error for the change that
// asked for the sync.
func (s *Store) stopChanges(cause error) error {
	err := fmt.Errorf("filestore: %s: a sync failed (%w), so it is not known which changes have reached the disk. "+
		"Changes are refused until the directory is opened again: check the disk, and restart the server", s.dir, cause)
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Error("a sync failed; changes are refused until the directory is opened again",
			"folder", s.dir, "error", cause)
	}
	return err
}

// stopped returns the error of stopChanges if a sync has failed, and nil otherwise.
func (s *Store) stopped() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// changeable returns an error if nothing in d can be changed.
func (s *Store) changeable(d *directory) error {
	if err := s.stopped(); err != nil {
		return err
	}
	return s.inPlace(d)
}

// inPlace returns an error if the path of d no longer refers to d.
func (s *Store) inPlace(d *directory) error {
	found, err := os.Stat(s.dir)
	if err := s.same(s.top, found, err); err != nil || d == s.top {
		return err
	}
	found, err = s.top.root.Stat(d.name)
	return s.same(d, found, err)
}

// same returns an error unless found, the result of a Stat of the path of d, describes d. err is the error of that
// Stat.
func (s *Store) same(d *directory, found fs.FileInfo, err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("filestore: %s: %w", s.path(d, ""), err)
	}
	opened, statErr := d.self.Stat()
	if statErr != nil {
		return fmt.Errorf("filestore: %s: %w", s.path(d, ""), statErr)
	}
	if err != nil || !os.SameFile(opened, found) {
		return fmt.Errorf("filestore: the directory %s was deleted or replaced while it was open: "+
			"put it back, or restart the server to continue with the new one", s.path(d, ""))
	}
	return nil
}

// absent returns the error for a file that is not in d: store.ErrNotFound, or the error of inPlace if d itself was
// deleted or replaced.
func (s *Store) absent(d *directory) error {
	if err := s.inPlace(d); err != nil {
		return err
	}
	return store.ErrNotFound
}
