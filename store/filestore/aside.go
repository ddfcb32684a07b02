package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// configKind is the kind of records whose corrupt files stay where they are: a store without its format marker would be
// taken for one of an older version.
const configKind = "config"

// asideLayout is the time at which a file was set aside, at the end of its name in asideDir.
const asideLayout = ".20060102T150405.000000000"

// replacedSuffix ends the name of a file in asideDir whose record was written or deleted later. The file is kept, but
// it is not a fault.
const replacedSuffix = ".replaced"

// An asideFile is a file that was set aside. Both paths are relative to the store's directory.
type asideFile struct{ original, current string }

// asideFiles are the files that were set aside and whose records are missing since, by their original paths. The zero
// value is empty.
type asideFiles struct {
	mu      sync.Mutex
	current map[string][]string
}

// add adds a file and reports whether it is new.
func (a *asideFiles) add(file asideFile) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.current[file.original], file.current) {
		return false
	}
	if a.current == nil {
		a.current = map[string][]string{}
	}
	a.current[file.original] = append(a.current[file.original], file.current)
	return true
}

// remove removes one file.
func (a *asideFiles) remove(file asideFile) {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := slices.DeleteFunc(a.current[file.original], func(current string) bool { return current == file.current })
	if len(left) == 0 {
		delete(a.current, file.original)
		return
	}
	a.current[file.original] = left
}

// removeAll removes all files with an original path and returns their current paths.
func (a *asideFiles) removeAll(original string) (current []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	current = a.current[original]
	delete(a.current, original)
	return current
}

// all returns the files, sorted by their original paths.
func (a *asideFiles) all() (all []asideFile) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, original := range slices.Sorted(maps.Keys(a.current)) {
		for _, current := range a.current[original] {
			all = append(all, asideFile{original, current})
		}
	}
	return all
}

// setAside moves a corrupt file to asideDir. It returns reason together with the path of the file. A file that cannot
// be moved becomes a fault. The caller must hold the record's lock.
func (s *Store) setAside(d *directory, name string, reason error) error {
	path := s.path(d, name)
	if d.name == configKind {
		if s.faults.files.add(d, name) {
			s.log.Error("a configuration record is corrupt and stays where it is", "file", path, "reason", reason)
		}
		return fmt.Errorf("filestore: %s: %w: restore it from a backup", path, reason)
	}
	current, err := s.moveAside(d, name)
	if err != nil {
		if s.faults.files.add(d, name) {
			s.log.Error("cannot set a corrupt record aside, which is omitted; the other records stay available",
				"file", path, "reason", reason, "error", err)
		}
		return fmt.Errorf("filestore: %s: %w, and it cannot be moved to %s (%w): move it out of the directory",
			path, reason, s.path(s.top, asideDir), err)
	}
	s.faults.files.remove(d, name)
	if isRecord(d.name, name) {
		s.faults.aside.add(asideFile{original: d.name + "/" + name, current: current})
	}
	s.log.Error("set a corrupt record aside; the other records stay available",
		"file", path, "moved_to", s.path(s.top, current), "reason", reason)
	return fmt.Errorf("filestore: %s: %w", path, reason)
}

// moveAside moves a file to asideDir and returns its new path.
func (s *Store) moveAside(d *directory, name string) (current string, err error) {
	if err := s.changeable(d); err != nil {
		return "", err
	}
	if err := s.top.root.Mkdir(asideDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	root, err := s.top.root.OpenRoot(asideDir)
	if err != nil {
		return "", err
	}
	aside, err := newDirectory(root, asideDir)
	if err != nil {
		return "", err
	}
	defer aside.Close()
	short := name
	if len(short) > 200 { // not the name of a record
		short = short[:100] + "…"
	}
	current = asideDir + "/" + strings.Replace(d.name, ".", "_", 1) + "-" + short + time.Now().UTC().Format(asideLayout)
	d.names.RLock()
	err = s.top.root.Rename(d.name+"/"+name, current)
	d.names.RUnlock()
	if err != nil {
		return "", err
	}
	// The file has been moved. If that is not durable, changes stop, and the file is found again when the directory is
	// opened again.
	_ = errors.Join(s.flush(aside), s.flush(s.top), s.flush(d))
	return current, nil
}

// findMissing finds the files that were set aside before the store was opened and whose records are missing since.
func (s *Store) findMissing() {
	entries, err := fs.ReadDir(s.top.root.FS(), asideDir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil && s.faults.unlisted == nil {
		s.log.Warn("cannot read the directory of corrupt files", "folder", s.path(s.top, asideDir), "error", err)
	}
	s.faults.unlisted = err
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), brokenPrefix) {
			s.addBroken(asideDir + "/" + e.Name())
		}
		if kind, name, ok := recordOf(e.Name()); ok {
			s.findMissingRecord(kind, name, asideDir+"/"+e.Name())
		}
	}
}

// findMissingRecord adds a file that was set aside to the faults if its record is missing.
func (s *Store) findMissingRecord(kind, name, current string) {
	defer s.lockRecord(kind, name)()
	_, err := s.top.root.Lstat(kind + "/" + name)
	if p := s.overlay.get(kind, name); err == nil && p == nil || p != nil && p.revision != "" {
		s.markReplaced(current)
		return
	}
	if s.faults.aside.add(asideFile{original: kind + "/" + name, current: current}) {
		s.log.Warn("a record is missing because its corrupt file was set aside", "file", s.path(s.top, current))
	}
}

// recordOf returns the kind of the record whose file has been moved to a name in asideDir, and the file's original
// name. It returns false if the file was not that of a record.
func recordOf(current string) (kind, name string, ok bool) {
	at := len(current) - len(asideLayout)
	if at <= 0 {
		return "", "", false
	}
	if _, err := time.Parse(asideLayout, current[at:]); err != nil {
		return "", "", false
	}
	kind, name, _ = strings.Cut(current[:at], "-")
	return kind, name, isRecord(kind, name)
}

// forgetAside marks the files of a record that were set aside before the record was written or deleted.
func (s *Store) forgetAside(kind, name string) {
	for _, current := range s.faults.aside.removeAll(kind + "/" + name) {
		s.markReplaced(current)
	}
}

// markReplaced marks a file that was set aside before its record was written or deleted.
func (s *Store) markReplaced(current string) {
	err := s.top.root.Rename(current, current+replacedSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("cannot rename a corrupt file whose record was written or deleted meanwhile; remove the file",
			"file", s.path(s.top, current), "error", err)
	}
}
