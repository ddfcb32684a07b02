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

	"github.com/patchsource/patchsource/store"
)

// maxFaults bounds the number of faults that Faults returns.
const maxFaults = 100

// faults are the faults of a store.
type faults struct {
	files fileFaults
	aside asideFiles
	// inspecting is held while Faults reads files, so that concurrent calls cost no more than one.
	inspecting sync.Mutex
	// unlisted is the error of reading asideDir, or nil if it was read since the store was opened. It is guarded by
	// inspecting.
	unlisted error
}

// A fileFault is a file that could not be read, or a corrupt file that could not be set aside.
type fileFault struct {
	directory *directory
	name      string
	omitted   bool // a List has omitted its record
}

// fileFaults are the files with a fault by their paths below the store's directory. The zero value is empty.
type fileFaults struct {
	mu     sync.Mutex
	byPath map[string]fileFault
}

// add adds a file and reports whether it is new.
func (f *fileFaults) add(d *directory, name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := d.name + "/" + name
	if _, ok := f.byPath[path]; ok {
		return false
	}
	if f.byPath == nil {
		f.byPath = map[string]fileFault{}
	}
	f.byPath[path] = fileFault{directory: d, name: name}
	return true
}

// has reports whether a file has a fault.
func (f *fileFaults) has(d *directory, name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.byPath[d.name+"/"+name]
	return ok
}

// remove removes a file.
func (f *fileFaults) remove(d *directory, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byPath, d.name+"/"+name)
}

// markOmitted records that a List has omitted the record of a file, if the file has a fault.
func (f *fileFaults) markOmitted(d *directory, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := d.name + "/" + name
	if fault, ok := f.byPath[path]; ok {
		fault.omitted = true
		f.byPath[path] = fault
	}
}

// all returns the files, sorted by their paths.
func (f *fileFaults) all() []fileFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]fileFault, 0, len(f.byPath))
	for _, path := range slices.Sorted(maps.Keys(f.byPath)) {
		all = append(all, f.byPath[path])
	}
	return all
}

// Faults implements [store.Inspector]. It also returns the files that cannot be written although there is room, and
// damaged parts of the journal. It sets corrupt files aside if that has become possible.
func (s *Store) Faults(ctx context.Context) []store.Fault {
	s.faults.inspecting.Lock()
	defer s.faults.inspecting.Unlock()
	var found []store.Fault
	if f, ok := s.inspectAsideDir(ctx); ok {
		found = append(found, f)
	}
	found = append(found, s.brokenFaults()...)
	s.behind.mu.Lock()
	found = append(found, s.behind.unwritten[:min(len(s.behind.unwritten), maxFaults-len(found))]...)
	s.behind.mu.Unlock()
	for _, file := range s.faults.files.all() {
		if len(found) >= maxFaults {
			break
		}
		if reason := s.inspectFile(ctx, file); reason != "" {
			found = append(found, store.Fault{Name: s.path(file.directory, file.name), Reason: reason})
		}
	}
	for _, file := range s.faults.aside.all() {
		if len(found) >= maxFaults {
			break
		}
		if f, ok := s.inspectAside(ctx, file); ok {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b store.Fault) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// inspectFile reads a file with a fault again and returns the reason for the fault. The reason is empty if the file
// no longer has a fault.
func (s *Store) inspectFile(ctx context.Context, file fileFault) (reason string) {
	err := s.do(ctx, func() error {
		_, err := s.read(file.directory, file.name)
		return err
	})
	switch {
	case err == nil && file.omitted:
		return "the file can be read again, but a list of all records has omitted its record: restart the server"
	case err == nil, errors.Is(err, store.ErrNotFound):
		s.faults.files.remove(file.directory, file.name)
		return ""
	case !s.faults.files.has(file.directory, file.name): // set aside
		return ""
	}
	return err.Error()
}

// inspectAsideDir reads asideDir if that has failed so far, and returns it as a fault if it fails again.
func (s *Store) inspectAsideDir(ctx context.Context) (store.Fault, bool) {
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
		err = detail.Err // its path is relative to the store's directory
	}
	return store.Fault{
		Name: s.path(s.top, asideDir),
		Reason: fmt.Sprintf("the directory of corrupt files cannot be read (%v), so it is not known which records are "+
			"missing: give the user that runs the server permission to read it, or, if it is not a directory, "+
			"move it away", err),
	}, true
}

// inspectAside returns a file that was set aside as a fault. It returns false if the file was removed.
func (s *Store) inspectAside(ctx context.Context, file asideFile) (store.Fault, bool) {
	err := s.do(ctx, func() error {
		_, err := s.top.root.Lstat(file.current)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		s.faults.aside.remove(file)
		return store.Fault{}, false
	}
	if strings.HasPrefix(file.original, journalDir+"/") {
		return store.Fault{
			Name:   s.path(s.top, file.current),
			Reason: brokenReason,
		}, true
	}
	return store.Fault{
		Name: s.path(s.top, file.current),
		Reason: "this is the file of a corrupt record: restore the record from a backup, or remove the file if the " +
			"record is not needed",
	}, true
}
