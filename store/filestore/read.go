package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/patchsource/patchsource/store"
)

// errUnreadable reports a file that exists but cannot be read.
var errUnreadable = errors.New("the file cannot be read")

// read reads a record for Get and List. It sets a corrupt file aside.
func (s *Store) read(d *directory, name string) (store.Record, error) {
	if p := s.overlay.get(d.name, name); p != nil {
		return p.record()
	}
	r, err := s.readFile(d, name)
	if errors.Is(err, store.ErrCorrupt) {
		r, err = s.readOrSetAside(d, name)
	}
	if errors.Is(err, store.ErrNotFound) { // deleted, and pending
		return store.Record{}, err
	}
	if err != nil {
		return store.Record{}, s.readError(d, name, err)
	}
	return r, nil
}

// readOrSetAside reads a record whose file was corrupt a moment ago. It sets the file aside unless a writer has
// replaced it meanwhile.
func (s *Store) readOrSetAside(d *directory, name string) (store.Record, error) {
	defer s.lockRecord(d.name, name)()
	if p := s.overlay.get(d.name, name); p != nil {
		return p.record()
	}
	r, err := s.readFile(d, name)
	if errors.Is(err, store.ErrCorrupt) {
		err = s.setAside(d, name, err)
	}
	return r, err
}

// revision returns the revision of a record, which is empty if there is none. It sets a corrupt file aside and then
// returns no revision. The caller must hold the record's lock, and d must be in place.
func (s *Store) revision(d *directory, name string) (store.Revision, error) {
	if p := s.overlay.get(d.name, name); p != nil {
		return p.revision, nil
	}
	r, err := s.readHead(d, name)
	switch {
	case err == nil:
		return r.Revision, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case !errors.Is(err, store.ErrCorrupt):
		return "", s.readError(d, name, err)
	}
	return "", s.lost(d, name, err)
}

// lost sets a corrupt file aside. It returns an error if it cannot.
func (s *Store) lost(d *directory, name string, cause error) error {
	if err := s.setAside(d, name, cause); s.faults.files.has(d, name) {
		return err
	}
	return nil
}

// transient are the errors of isTransient.
var transient = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EINTR}

// isTransient reports whether an error says that the process lacks a resource and nothing about the file.
func isTransient(err error) bool {
	return slices.ContainsFunc(transient, func(t error) bool { return errors.Is(err, t) })
}

// readError returns the error of a call for a file that readFile or readHead could not read. A file that exists and is
// not corrupt becomes a fault unless the error is transient.
func (s *Store) readError(d *directory, name string, err error) error {
	path := s.path(d, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.absent(d)
	case errors.Is(err, store.ErrCorrupt):
		return err
	}
	var detail *fs.PathError
	if errors.As(err, &detail) {
		err = detail.Err // its path is relative to that of the directory
	}
	if isTransient(err) {
		return fmt.Errorf("filestore: %s: %w", path, err)
	}
	if s.faults.files.add(d, name) {
		s.log.Error("cannot read a record, which is omitted; the other records stay available",
			"file", path, "error", err)
	}
	return fmt.Errorf("filestore: %s: %w: %w: give the user that runs the server permission to read it, or, "+
		"if it is lost, move it out of the directory", path, errUnreadable, err)
}
