package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
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
	// aside are the files that were set aside, by the paths that they had. Their records are missing.
	aside map[string][]string
	// inspecting is held while Faults reads files, so that many callers cost no more
	// than one.
	inspecting sync.Mutex
	// unlisted is why the folder of damaged files could not be read since the store was opened, nil if it was. Faults,
	// which holds inspecting, tries it again.
	unlisted error
}

// An asideFile is a file that was set aside, and the path that it had.
type asideFile struct{ path, aside string }

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

// setAside notes that a record is missing because its file was set aside, and reports whether that is new.
func (a *faults) setAside(path, aside string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.aside[path], aside) {
		return false
	}
	if a.aside == nil {
		a.aside = map[string][]string{}
	}
	a.aside[path] = append(a.aside[path], aside)
	return true
}

// forget notes that nobody misses a record any more, and returns its files that were set aside.
func (a *faults) forget(path string) (aside []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	aside = a.aside[path]
	delete(a.aside, path)
	return aside
}

// removed notes that somebody removed a file that was set aside.
func (a *faults) removed(one asideFile) {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := slices.DeleteFunc(a.aside[one.path], func(aside string) bool { return aside == one.aside })
	if len(left) == 0 {
		delete(a.aside, one.path)
		return
	}
	a.aside[one.path] = left
}

// allAside returns the files that were set aside, sorted by the paths that they had.
func (a *faults) allAside() (all []asideFile) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(a.aside)) {
		for _, aside := range a.aside[path] {
			all = append(all, asideFile{path, aside})
		}
	}
	return all
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
	if f, ok := s.inspectFolder(ctx); ok {
		found = append(found, f)
	}
	for _, one := range s.faults.snapshot() {
		if len(found) == maxFaults {
			break
		}
		if reason := s.inspect(ctx, one); reason != "" {
			found = append(found, store.Fault{Name: s.path(one.folder, one.name), Reason: reason})
		}
	}
	for _, one := range s.faults.allAside() {
		if len(found) == maxFaults {
			break
		}
		if f, ok := s.inspectAside(ctx, one); ok {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b store.Fault) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// asideLayout is the time at which a file was set aside, at the end of its name.
const asideLayout = ".20060102T150405.000000000"

// replacedSuffix ends the name of a file that was set aside and whose record was written again or deleted: it is kept,
// and is no fault any more.
const replacedSuffix = ".replaced"

// findMissing looks for files that were set aside before the folder was opened, and whose records are missing since.
func (s *Store) findMissing() {
	entries, err := fs.ReadDir(s.top.root.FS(), damagedFolder)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil && s.faults.unlisted == nil {
		s.log.Warn("the folder of damaged files cannot be read", "folder", s.path(s.top, damagedFolder), "error", err)
	}
	s.faults.unlisted = err
	for _, e := range entries {
		if kind, name, ok := asideOf(e.Name()); ok {
			s.findMissingOf(kind, name, damagedFolder+"/"+e.Name())
		}
	}
}

// findMissingOf looks whether the record of a file that was set aside is missing.
func (s *Store) findMissingOf(kind, name, aside string) {
	defer s.lockRecord(kind, name)()
	if _, err := s.top.root.Lstat(kind + "/" + name); err == nil {
		s.markReplaced(aside)
		return
	}
	if s.faults.setAside(kind+"/"+name, aside) {
		s.log.Warn("a record is missing: its damaged file was set aside", "file", s.path(s.top, aside))
	}
}

// asideOf returns the kind and the name of the record's file that a file in the folder of damaged files was, and false
// if it was none.
func asideOf(aside string) (kind, name string, ok bool) {
	at := len(aside) - len(asideLayout)
	if at <= 0 {
		return "", "", false
	}
	if _, err := time.Parse(asideLayout, aside[at:]); err != nil {
		return "", "", false
	}
	kind, name, _ = strings.Cut(aside[:at], "-")
	return kind, name, isRecord(kind, name)
}

// forgetAside marks what was set aside of a record that was written again or deleted.
func (s *Store) forgetAside(kind, name string) {
	for _, aside := range s.faults.forget(kind + "/" + name) {
		s.markReplaced(aside)
	}
}

// markReplaced marks a file that was set aside as one whose record was written again or deleted.
func (s *Store) markReplaced(aside string) {
	if err := s.top.root.Rename(aside, aside+replacedSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("a damaged file whose record was written again or deleted cannot be renamed; remove it",
			"file", s.path(s.top, aside), "error", err)
	}
}

// inspectFolder reads the folder of damaged files if that was not possible yet, and returns it as a fault, and false if
// it is none.
func (s *Store) inspectFolder(ctx context.Context) (store.Fault, bool) {
	if s.faults.unlisted != nil {
		_ = s.do(ctx, func() error {
			s.findMissing()
			return nil
		})
	}
	err := s.faults.unlisted
	if err == nil {
		return store.Fault{}, false
	}
	var detail *fs.PathError
	if errors.As(err, &detail) {
		err = detail.Err // it names the folder below that of the store only
	}
	return store.Fault{
		Name: s.path(s.top, damagedFolder),
		Reason: fmt.Sprintf("it cannot be read (%v), so it is not known which records are missing because they were "+
			"damaged: let the user that the server runs as read it, or move it away if it is no folder", err),
	}, true
}

// inspectAside returns a file that was set aside as a fault, and false if it is none any more because somebody removed
// it.
func (s *Store) inspectAside(ctx context.Context, one asideFile) (store.Fault, bool) {
	err := s.do(ctx, func() error {
		_, err := s.top.root.Lstat(one.aside)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		s.faults.removed(one)
		return store.Fault{}, false
	}
	return store.Fault{
		Name: s.path(s.top, one.aside),
		Reason: "it is what a damaged record was: bring that back from a backup, or remove this file if it is not " +
			"needed",
	}, true
}

// configKind is the kind of records whose damaged files stay where they are: without the mark of its format, a store
// would be taken for one of an older version.
const configKind = "config"

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
	if errors.Is(err, store.ErrCorrupt) {
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
	defer s.lockRecord(f.name, name)()
	r, err := s.readFile(f, name)
	if errors.Is(err, store.ErrCorrupt) {
		err = s.setAside(f, name, err)
	}
	return r, err
}

// revision returns the revision of a record, empty if there is none. A damaged
// file is set aside, and counts as none. The caller must hold the record's lock,
// and f must be in place.
func (s *Store) revision(f *folder, name string) (store.Revision, error) {
	r, err := s.head(f, name)
	if errors.Is(err, store.ErrCorrupt) {
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
	case errors.Is(err, store.ErrCorrupt):
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
	if f.name == configKind {
		if s.faults.add(f, name) {
			s.log.Error("a damaged record of the configuration is left where it is", "file", path, "reason", damage)
		}
		return fmt.Errorf("filestore: %s: %w: bring it back from a backup", path, damage)
	}
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
	if isRecord(f.name, name) {
		s.faults.setAside(f.name+"/"+name, aside)
	}
	s.log.Error("a damaged record was set aside; the others go on working",
		"file", path, "moved_to", s.path(s.top, aside), "reason", damage)
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
	aside = damagedFolder + "/" + f.name + "-" + short + time.Now().UTC().Format(asideLayout)
	f.names.RLock()
	err = s.top.root.Rename(f.name+"/"+name, aside)
	f.names.RUnlock()
	if err != nil {
		return "", err
	}
	// The file is out of the way. If that is not durable, changes have stopped, and
	// it is found again when the folder is opened again.
	_ = errors.Join(s.flush(damaged), s.flush(s.top), s.flush(f))
	return aside, nil
}
