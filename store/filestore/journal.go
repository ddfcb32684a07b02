package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A journal makes changes durable in the order in which they come, all that wait at the same moment with one sync.
type journal struct {
	dir *directory

	mu      sync.Mutex
	arrived sync.Cond
	waiting []*change
	closing bool
	last    int           // the length of the last batch
	pause   time.Duration // how long the next batch waits at most for as many changes as the last one had
	done    chan struct{} // closed when the committer has ended; nil if it has not begun

	// writing guards the following fields. The committer holds it while it writes a batch and adds it to the overlay.
	writing  sync.Mutex
	active   *segment   // nil if there is none yet
	next     *segment   // to be active next; may be nil
	sealed   []*segment // full of entries that may not be in the files yet, in order
	segments uint64     // the highest number of a segment
	entries  uint64     // the number of the last entry
	// firstNeeded is the number of the first entry whose change may not be in the files.
	firstNeeded uint64
	// If unreportedFrom is not zero, entries from that number on may be missing, and the segments around them have not
	// all been kept for the administrator yet.
	unreportedFrom uint64
	buffer         []byte

	bytes atomic.Int64 // of the entries in active and sealed
}

// activate makes a segment active if there is none. The caller must hold j.writing.
func (s *Store) activate() (err error) {
	j := &s.journal
	if j.active != nil {
		return nil
	}
	if j.next == nil {
		j.segments++
		if j.next, err = s.newSegment(j.segments, nil); err != nil {
			return fmt.Errorf("filestore: %s: cannot begin a file of the journal: %w", s.path(j.dir, ""), err)
		}
	}
	j.active, j.next = j.next, nil
	return nil
}

// segmentInPlace returns an error if the path of a segment below the store's directory no longer refers to it. Changes
// then stop, because they would be lost.
func (s *Store) segmentInPlace(g *segment) error {
	opened, err := g.file.Stat()
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	found, err := s.top.root.Stat(journalDir + "/" + g.name)
	if err == nil && os.SameFile(opened, found) {
		return nil
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the file was deleted or replaced while the server was running")
	}
	return s.stopChanges(fmt.Errorf("%s: %w", s.path(s.journal.dir, g.name), err))
}

// openJournal opens the directory of the journal and creates it if necessary.
func (s *Store) openJournal() error {
	j := &s.journal
	j.arrived.L = &j.mu
	if err := s.top.root.Mkdir(journalDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Flush even if it exists: the process that created it may have stopped before it did.
	if err := s.flush(s.top); err != nil {
		return err
	}
	root, err := s.top.root.OpenRoot(journalDir)
	if err != nil {
		return err
	}
	j.dir, err = newDirectory(root, journalDir)
	return err
}

// closeJournal stops the committer and closes the files. If every change is in the file of its record, it removes the
// segments.
func (s *Store) closeJournal(clean bool) error {
	j := &s.journal
	if j.dir == nil {
		return nil
	}
	if j.done != nil {
		j.mu.Lock()
		j.closing = true
		j.mu.Unlock()
		j.arrived.Signal()
		<-j.done
	}
	var errs []error
	for _, g := range append(j.sealed, j.active, j.next) {
		if g != nil && g.file != nil {
			errs = append(errs, g.file.Close())
		}
	}
	if clean {
		errs = append(errs, s.removeSegments(j.active, j.next))
	}
	return errors.Join(append(errs, j.dir.Close())...)
}

// removeSegments removes segments that are no longer needed; those that are nil are skipped.
func (s *Store) removeSegments(segments ...*segment) error {
	removed := false
	for _, g := range segments {
		if g == nil {
			continue
		}
		if err := s.remove(s.journal.dir.root, g.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return s.flush(s.journal.dir)
}
