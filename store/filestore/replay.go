package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/patchsource/patchsource/store"
)

// A recovery is what the segments that were found when the store was opened contain.
type recovery struct {
	segments []*segment
	entries  []foundEntry // in the order of their numbers
	gaps     bool         // entries are missing although later ones are there
}

// A foundEntry is an entry and the index of its segment.
type foundEntry struct {
	entry
	segment int
}

// recoverJournal reads the segments that a crash has left, and makes the changes in them pending records, unless they
// are in the files. The segments stay in the journal until the records have been written.
func (s *Store) recoverJournal() error {
	segments, err := s.findSegments()
	if err != nil || len(segments) == 0 {
		return err
	}
	r := recovery{segments: segments}
	for i, g := range segments {
		data, err := s.readSegment(g)
		if err != nil {
			return fmt.Errorf("cannot read the journal, which has changes that are not in the files yet: %w", err)
		}
		for _, e := range scanEntries(data, g.nonce) {
			r.entries = append(r.entries, foundEntry{e, i})
			g.last = max(g.last, e.number)
			g.end = g.size
		}
	}
	slices.SortStableFunc(r.entries, func(a, b foundEntry) int {
		if a.number < b.number {
			return -1
		}
		return int(min(a.number-b.number, 1))
	})
	s.startJournal(&r)
	if err := s.dropObsolete(); err != nil {
		return err
	}
	return s.replay(&r)
}

// dropObsolete removes the segments whose changes are in the files. They must not outlive the checkpoint that says so,
// which is in a later segment.
func (s *Store) dropObsolete() error {
	j := &s.journal
	var obsolete, sealed []*segment
	for _, g := range j.sealed {
		if g.last < j.needed && !g.broken {
			obsolete = append(obsolete, g)
			j.bytes.Add(-g.end)
		} else {
			sealed = append(sealed, g)
		}
	}
	j.sealed = sealed
	return s.removeSegments(obsolete...)
}

// startJournal sets the numbers with which the journal continues, drops the entries whose changes are in the files, and
// finds gaps. The segments around a gap are marked as broken.
func (s *Store) startJournal(r *recovery) {
	j := &s.journal
	j.sealed = r.segments
	j.segments = r.segments[len(r.segments)-1].number
	for _, g := range r.segments {
		j.bytes.Add(g.end)
	}
	lastBatch := uint64(0)
	for _, e := range r.entries {
		j.needed, j.accounted = max(j.needed, e.needed), max(j.accounted, e.accounted)
		j.entries, lastBatch = max(j.entries, e.number), max(lastBatch, e.batch)
	}
	r.entries = slices.DeleteFunc(r.entries, func(e foundEntry) bool { return e.number < j.needed })
	if len(r.entries) == 0 {
		return
	}
	// Entries of the last batch may be missing: they were not acknowledged.
	expected, before := max(j.needed, j.accounted+1), 0
	for _, e := range r.entries {
		if e.number > expected && expected < lastBatch {
			s.log.Error("changes are missing in the journal", "first", expected, "last", e.number-1)
			r.gaps = true
			for _, g := range r.segments[before : e.segment+1] {
				g.broken = true
			}
		}
		expected, before = max(expected, e.number+1), e.segment
	}
	j.accounted = j.entries
}

// replay makes pending records of the changes in a recovery.
func (s *Store) replay(r *recovery) error {
	changes := map[store.Key][]foundEntry{}
	var keys []store.Key
	for _, e := range r.entries {
		if e.typ == checkpointEntry {
			continue
		}
		if changes[e.key] == nil {
			keys = append(keys, e.key)
		}
		changes[e.key] = append(changes[e.key], e)
	}
	for _, key := range keys {
		d, err := s.makeKind(key.Kind)
		if err != nil {
			return err
		}
		p, err := s.replayRecord(d, key, changes[key], r.gaps)
		if p != nil {
			s.overlay.put(p)
		}
		if err == nil {
			continue
		}
		s.log.Error("the last change of a record in the journal cannot be made; its file keeps the state before",
			"file", s.path(d, fileName(key.ID)), "error", err)
		for _, e := range changes[key] {
			r.segments[e.segment].broken = true
		}
	}
	if len(keys) > 0 {
		s.log.Info("the directory was not closed; changes were read from the journal", "records", len(keys))
	}
	return nil
}

var (
	errLostBase = errors.New("the change before it is missing")
	errForeign  = errors.New("the file has another state than the journal: it was replaced after the last change")
)

// replayRecord applies the changes of one record to its file. It returns the pending record, or nil if the file has the
// last state already. The error says that the last change cannot be made; the record may be pending nonetheless.
func (s *Store) replayRecord(
	d *directory, key store.Key, changes []foundEntry, gaps bool,
) (p *pending, err error) {
	name := fileName(key.ID)
	file, err := s.readFile(d, name)
	if errors.Is(err, store.ErrCorrupt) {
		_ = s.setAside(d, name, err) // only whole values can be applied then
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	state := &pending{kind: key.Kind, name: name, id: key.ID, revision: file.Revision, value: file.Value}
	first := 0
	for i, e := range changes {
		if e.next == file.Revision {
			first = i + 1 // the file has this change, and those before
		}
	}
	if first == 0 && file.Revision != "" && changes[0].base != file.Revision && !gaps {
		return nil, errForeign
	}
	var lost error
	for _, e := range changes[first:] {
		next, err := applyEntry(state, &e.entry)
		if err != nil {
			lost = err
			continue
		}
		p, state = next, next
		if e.typ != deltaEntry {
			lost = nil
		}
	}
	return p, lost
}

// applyEntry returns a record after a change.
func applyEntry(p *pending, e *entry) (*pending, error) {
	next := &pending{kind: p.kind, name: p.name, id: p.id, revision: e.next}
	switch e.typ {
	case valueEntry:
		next.value = e.payload
	case deltaEntry:
		if e.base != p.revision {
			return nil, errLostBase
		}
		value, err := applyDelta(p.value, e.payload)
		if err != nil {
			return nil, err
		}
		next.value = value
	}
	return next, nil
}

// brokenPrefix begins the names of segments in asideDir. No kind of records begins with it.
const brokenPrefix = "_journal-"

// keepBroken moves a segment in which changes were lost to asideDir, where it stays a fault until it is removed.
func (s *Store) keepBroken(g *segment) error {
	current, err := s.moveAside(s.journal.dir, g.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.addBroken(current)
	s.log.Error("a part of the journal was damaged; it is kept", "file", s.path(s.top, current))
	return nil
}

// addBroken adds a segment that was moved to asideDir to the faults.
func (s *Store) addBroken(current string) {
	s.faults.aside.add(asideFile{original: journalDir + "/" + path.Base(current), current: current})
}
