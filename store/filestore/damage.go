package filestore

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/patchsource/patchsource/store"
)

const (
	// brokenPrefix begins the names of segments in asideDir. No kind of records begins with it.
	brokenPrefix = "_journal-"
	// keptPrefix begins the names of broken segments that could not be moved to asideDir and stay in journalDir.
	keptPrefix = "damaged-"
)

// keepBroken moves a segment in which changes were lost to asideDir, where it is a fault until it is removed. If that
// is not possible, the segment stays in journalDir under another name, so that it is not replayed again.
func (s *Store) keepBroken(g *segment) error {
	current, err := s.moveAside(s.journal.dir, g.name)
	if err != nil {
		if err := s.stopped(); err != nil {
			return err
		}
		current = journalDir + "/" + keptPrefix + g.name
		if err := s.rename(s.journal.dir.root, g.name, keptPrefix+g.name); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.flush(s.journal.dir); err != nil {
			return err
		}
	}
	s.addBroken(current)
	s.log.Error("a part of the journal was damaged; it is kept", "file", s.path(s.top, current))
	return nil
}

// findKept finds the broken segments that keepBroken has left in journalDir.
func (s *Store) findKept() error {
	entries, err := fs.ReadDir(s.journal.dir.root.FS(), ".")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), keptPrefix) {
			s.addBroken(journalDir + "/" + e.Name())
		}
	}
	return err
}

// addBroken adds a broken segment that was moved to the faults.
func (s *Store) addBroken(current string) {
	s.faults.aside.add(asideFile{original: journalDir + "/" + path.Base(current), current: current})
}

// brokenFaults returns the broken segments that are still in the journal.
func (s *Store) brokenFaults() (found []store.Fault) {
	j := &s.journal
	j.writing.Lock()
	defer j.writing.Unlock()
	for _, g := range j.sealed {
		if g.broken {
			found = append(found, store.Fault{Name: s.path(j.dir, g.name), Reason: brokenReason})
		}
	}
	return found
}

// brokenReason is the reason for the fault of a broken segment.
const brokenReason = "this part of the journal was damaged, and changes of records in it may be lost: the log names " +
	"the records; check them, restore them from a backup if necessary, and then remove the file"
