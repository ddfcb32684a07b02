package filestore

import (
	"fmt"
)

// A recovery is the content of the segments that were found when the store was opened.
type recovery struct {
	segments []*segment
	entries  []foundEntry // that may not be in the files, in the order of their numbers
	// lastMissing is the highest number that is missing although later entries are there, or zero.
	lastMissing uint64
}

// A foundEntry is an entry and the index of its segment.
type foundEntry struct {
	entry
	segment int
}

// recoverJournal reads the segments that a crash has left, and makes the changes in them pending records, unless they
// are in the files. The segments stay in the journal until the records have been written.
func (s *Store) recoverJournal() error {
	if err := s.findKept(); err != nil {
		return err
	}
	segments, err := s.findSegments()
	if err != nil || len(segments) == 0 {
		return err
	}
	r := recovery{segments: segments}
	for i, g := range segments {
		data, err := s.readSegment(g)
		if err != nil {
			return fmt.Errorf("cannot read %s, which has changes that are not in the files yet: %w",
				s.path(s.journal.dir, g.name), err)
		}
		for _, e := range scanEntries(data, g.nonce) {
			r.entries = append(r.entries, foundEntry{e, i})
			g.last = max(g.last, e.number)
			g.end = g.size
		}
	}
	// New changes build on those that are found, so these must be as durable. The process that wrote them may have
	// stopped before it synced them.
	if err := s.flush(s.journal.dir); err != nil {
		return err
	}
	sortEntries(r.entries)
	s.startJournal(&r)
	if err := s.dropObsolete(); err != nil {
		return err
	}
	return s.replay(&r)
}

// startJournal sets the numbers with which the journal continues, finds missing entries, and drops those whose changes
// are in the files.
func (s *Store) startJournal(r *recovery) {
	j := &s.journal
	j.sealed = r.segments
	j.segments = r.segments[len(r.segments)-1].number
	for _, g := range r.segments {
		j.bytes.Add(g.end)
	}
	lastBatch := uint64(0)
	for _, e := range r.entries {
		if e.typ == checkpointEntry {
			j.firstNeeded, j.unreportedFrom = max(j.firstNeeded, e.firstNeeded), e.unreportedFrom
		}
		j.entries, lastBatch = max(j.entries, e.number), max(lastBatch, e.batch)
	}
	s.findGaps(r, lastBatch)
	needed := r.entries[:0]
	for _, e := range r.entries {
		if e.number >= j.firstNeeded {
			needed = append(needed, e)
		}
	}
	r.entries = needed
}

// findGaps finds entries that are missing although later ones are there, and marks the segments around them as broken.
// Entries from the number lastBatch on may be missing, because their changes were not acknowledged.
func (s *Store) findGaps(r *recovery, lastBatch uint64) {
	j := &s.journal
	expected := max(1, j.firstNeeded)
	if j.unreportedFrom > 0 {
		expected = min(expected, j.unreportedFrom)
	}
	segmentBefore := 0 // of the last entry before expected
	for _, e := range r.entries {
		if e.number > expected && expected < lastBatch {
			s.log.Error("changes are missing in the journal", "first", expected, "last", e.number-1)
			if e.number > j.firstNeeded {
				r.lastMissing = e.number - 1
			}
			for _, g := range r.segments[segmentBefore : e.segment+1] {
				g.broken = true
			}
		}
		expected, segmentBefore = max(expected, e.number+1), e.segment
	}
	for _, g := range r.segments {
		g.broken = g.broken || g.unreadable
	}
}

// dropObsolete removes the segments whose changes are in the files. They must not outlive the checkpoint that says so,
// which is in a later segment.
func (s *Store) dropObsolete() error {
	j := &s.journal
	var obsolete, sealed []*segment
	for _, g := range j.sealed {
		if g.last < j.firstNeeded && !g.broken {
			obsolete = append(obsolete, g)
			j.bytes.Add(-g.end)
		} else {
			sealed = append(sealed, g)
		}
	}
	j.sealed = sealed
	return s.removeSegments(obsolete...)
}
