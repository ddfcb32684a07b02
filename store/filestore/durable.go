package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/patchsource/patchsource/store"
)

// flush makes the changes of names in f durable. Callers that arrive while
// another one syncs the folder share the next sync.
func (s *Store) flush(f *folder) error {
	n := f.changed.Add(1)
	f.flushing.Lock()
	defer f.flushing.Unlock()
	if f.flushed >= n {
		return nil
	}
	// The system reports a failed sync to one caller only: what this one waited
	// for may be lost although its own sync would succeed.
	if err := s.stopped(); err != nil {
		return err
	}
	covered := f.changed.Load()
	if err := s.syncFile(f.self); err != nil {
		return s.stopChanges(err)
	}
	f.flushed = covered
	return nil
}

// flushFile makes the bytes of a new file durable. A disk that is full is no
// reason to stop: the file is not in use yet.
func (s *Store) flushFile(file *os.File) error {
	err := s.syncFile(file)
	if err == nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return s.stopChanges(err)
}

// stopChanges makes every later change fail, because of a sync that failed with
// cause. It returns the error of the change that it belongs to.
func (s *Store) stopChanges(cause error) error {
	err := fmt.Errorf("filestore: %s: a sync failed (%w), so it is not known what has reached the disk: "+
		"nothing is changed until the folder is opened again: check the disk, and restart the server", s.dir, cause)
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Error("a sync failed, and nothing is changed any more until the folder is opened again",
			"folder", s.dir, "error", cause)
	}
	return err
}

// stopped returns the error of every change after a sync that failed.
func (s *Store) stopped() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// changeable reports why nothing in f can be changed.
func (s *Store) changeable(f *folder) error {
	if err := s.stopped(); err != nil {
		return err
	}
	return s.inPlace(f)
}

// inPlace reports whether f is still the folder that its path leads to.
func (s *Store) inPlace(f *folder) error {
	there, err := os.Stat(s.dir)
	if err := s.same(s.top, there, err); err != nil || f == s.top {
		return err
	}
	there, err = s.top.root.Stat(f.name)
	return s.same(f, there, err)
}

// same reports whether there, or an error, is what the path of f leads to.
func (s *Store) same(f *folder, there fs.FileInfo, err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("filestore: %s: %w", s.path(f, ""), err)
	}
	opened, statErr := f.self.Stat()
	if statErr != nil {
		return fmt.Errorf("filestore: %s: %w", s.path(f, ""), statErr)
	}
	if err != nil || !os.SameFile(opened, there) {
		return fmt.Errorf("filestore: the folder %s was deleted or replaced while it was open: "+
			"put it back, or restart the server to go on with what is there now", s.path(f, ""))
	}
	return nil
}

// absent returns the error for a file that is not in f: store.ErrNotFound, or
// another one if f itself is gone.
func (s *Store) absent(f *folder) error {
	if err := s.inPlace(f); err != nil {
		return err
	}
	return store.ErrNotFound
}
