package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/patchsource/patchsource/store"
)

// errUnreadable reports a file that is there and cannot be read.
var errUnreadable = errors.New("the file cannot be read")

// maxFaults is how many faults Faults looks at.
const maxFaults = 100

// A fault is a file that could not be read, or that is damaged and could not be
// set aside.
type fault struct {
	folder  *folder
	name    string
	leftOut bool // a List went on without it
}

// faults are the faults of a store by their paths below its folder.
type faults struct {
	mu     sync.Mutex
	byPath map[string]fault
	// inspecting is held while Faults reads files, so that many callers cost no more
	// than one.
	inspecting sync.Mutex
}

// add reports whether the fault is a new one.
func (a *faults) add(f *folder, name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := f.name + "/" + name
	if _, known := a.byPath[path]; known {
		return false
	}
	if a.byPath == nil {
		a.byPath = map[string]fault{}
	}
	a.byPath[path] = fault{folder: f, name: name}
	return true
}

// leftOut notes that a List went on without a file, if that is a fault.
func (a *faults) leftOut(f *folder, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := f.name + "/" + name
	if known, ok := a.byPath[path]; ok {
		known.leftOut = true
		a.byPath[path] = known
	}
}

func (a *faults) clear(f *folder, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byPath, f.name+"/"+name)
}

// snapshot returns the faults sorted by their paths.
func (a *faults) snapshot() []fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]fault, 0, len(a.byPath))
	for _, path := range slices.Sorted(maps.Keys(a.byPath)) {
		all = append(all, a.byPath[path])
	}
	return all
}

func (a *faults) known(f *folder, name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, known := a.byPath[f.name+"/"+name]
	return known
}

// Faults implements [store.Inspector]. It sets aside what is damaged if that is
// possible by now.
func (s *Store) Faults(ctx context.Context) []store.Fault {
	s.faults.inspecting.Lock()
	defer s.faults.inspecting.Unlock()
	var found []store.Fault
	for _, one := range s.faults.snapshot() {
		if len(found) == maxFaults {
			break
		}
		if reason := s.inspect(ctx, one); reason != "" {
			found = append(found, store.Fault{Name: s.path(one.folder, one.name), Reason: reason})
		}
	}
	return found
}

// inspect looks at a fault again and returns why it still is one. It is none any
// more if the reason is empty.
func (s *Store) inspect(ctx context.Context, one fault) (reason string) {
	err := s.do(ctx, func() error {
		_, err := s.read(one.folder, one.name)
		return err
	})
	switch {
	case err == nil && one.leftOut:
		return "it can be read again, but a list of all records has left it out: restart the server"
	case err == nil, errors.Is(err, store.ErrNotFound):
		s.faults.clear(one.folder, one.name)
		return ""
	case !s.faults.known(one.folder, one.name): // set aside
		return ""
	}
	return err.Error()
}

// read reads a record for Get and List. A damaged file is set aside.
func (s *Store) read(f *folder, name string) (store.Record, error) {
	r, err := s.readFile(f, name)
	if errors.Is(err, ErrDamaged) {
		r, err = s.readOrSetAside(f, name)
	}
	if err != nil {
		return store.Record{}, s.readError(f, name, err)
	}
	return r, nil
}

// readOrSetAside reads a record whose file was damaged a moment ago. A writer may
// have replaced it by now; otherwise it is set aside.
func (s *Store) readOrSetAside(f *folder, name string) (store.Record, error) {
	defer s.lockRecord(f, name)()
	r, err := s.readFile(f, name)
	if errors.Is(err, ErrDamaged) {
		err = s.setAside(f, name, err)
	}
	return r, err
}

// revision returns the revision of a record, empty if there is none. A damaged
// file is set aside, and counts as none. The caller must hold the record's lock,
// and f must be in place.
func (s *Store) revision(f *folder, name string) (store.Revision, error) {
	r, err := s.head(f, name)
	if errors.Is(err, ErrDamaged) {
		err = s.setAside(f, name, err)
		if s.faults.known(f, name) {
			return "", err
		}
		return "", nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", s.readError(f, name, err)
	}
	return r.Revision, nil
}

// readError returns the error for a file that readFile or head could not read. A
// file that is there, and not damaged, becomes a fault.
func (s *Store) readError(f *folder, name string, err error) error {
	path := s.path(f, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.absent(f)
	case errors.Is(err, ErrDamaged):
		return err
	}
	var detail *fs.PathError
	if errors.As(err, &detail) {
		err = detail.Err // it names the file below its folder only
	}
	// The process lacks something: the file may be sound.
	for _, lack := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EINTR} {
		if errors.Is(err, lack) {
			return fmt.Errorf("filestore: %s: %w", path, err)
		}
	}
	if s.faults.add(f, name) {
		s.log.Error("a record cannot be read and is left out; the others go on working", "file", path, "error", err)
	}
	return fmt.Errorf("filestore: %s: %w: %w: let the user that the server runs as read it, or, "+
		"if it is lost, move it out of the folder", path, errUnreadable, err)
}

// setAside moves a file that is damaged out of the way. It returns damage with the
// name of the file. A file that cannot be moved becomes a fault. The caller must
// hold the record's lock.
func (s *Store) setAside(f *folder, name string, damage error) error {
	path := s.path(f, name)
	aside, err := s.moveAside(f, name)
	if err != nil {
		if s.faults.add(f, name) {
			s.log.Error("a damaged record cannot be set aside and is left out; the others go on working",
				"file", path, "reason", damage, "error", err)
		}
		return fmt.Errorf("filestore: %s: %w, and it cannot be moved to %s (%w): move it out of the folder",
			path, damage, s.path(s.top, damagedFolder), err)
	}
	s.faults.clear(f, name)
	s.log.Error("a damaged record was set aside; the others go on working",
		"file", path, "moved_to", aside, "reason", damage)
	return fmt.Errorf("filestore: %s: %w", path, damage)
}

// moveAside moves a file to the folder of damaged files and returns its new path.
func (s *Store) moveAside(f *folder, name string) (aside string, err error) {
	if err := s.changeable(f); err != nil {
		return "", err
	}
	if err := s.top.root.Mkdir(damagedFolder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	root, err := s.top.root.OpenRoot(damagedFolder)
	if err != nil {
		return "", err
	}
	damaged, err := newFolder(root, damagedFolder)
	if err != nil {
		return "", err
	}
	defer damaged.Close()
	short := name
	if len(short) > 200 { // none of ours
		short = short[:100] + "…"
	}
	aside = damagedFolder + "/" + f.name + "-" + short + "." + time.Now().UTC().Format("20060102T150405.000000000")
	f.names.RLock()
	err = s.top.root.Rename(f.name+"/"+name, aside)
	f.names.RUnlock()
	if err != nil {
		return "", err
	}
	// The file is out of the way. If that is not durable, changes have stopped, and
	// it is found again when the folder is opened again.
	_ = errors.Join(s.flush(damaged), s.flush(s.top), s.flush(f))
	return s.path(s.top, aside), nil
}
