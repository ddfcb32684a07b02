package filestore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/patchsource/patchsource/store"
)

// sortEntries sorts entries by their numbers.
func sortEntries(entries []foundEntry) {
	slices.SortStableFunc(entries, func(a, b foundEntry) int { return cmp.Compare(a.number, b.number) })
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
		lost, err := s.replayRecord(d, key, changes[key], r.lastMissing)
		if err != nil {
			return err
		}
		if lost == nil {
			continue
		}
		s.log.Error("acknowledged changes of a record in the journal cannot be applied and are dropped; "+
			"the record keeps the state before them", "file", s.path(d, fileName(key.ID)), "error", lost)
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
	errForeign  = errors.New("the file does not match the journal")
)

// replayRecord applies the changes of one record to the state in its file, and adds the record to the overlay unless
// the file has the last state already. lost is not nil if the last changes cannot be applied. If err is not nil, the
// file could not be read, and the journal must be kept for the next start.
func (s *Store) replayRecord(
	d *directory, key store.Key, changes []foundEntry, lastMissing uint64,
) (lost, err error) {
	name := fileName(key.ID)
	file, err := s.readFile(d, name)
	corrupt := errors.Is(err, store.ErrCorrupt)
	if corrupt {
		_ = s.setAside(d, name, err)
		file = store.Record{} // only whole values and deletions can be applied
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read %s, which has changes in the journal: %w", s.path(d, name), err)
	}
	start := 0
	if !corrupt {
		if start, err = firstUnwritten(file.Revision, changes, lastMissing); err != nil {
			return err, nil
		}
	}
	current := &pendingRecord{kind: key.Kind, name: name, id: key.ID, revision: file.Revision, value: file.Value}
	applied := false
	for _, e := range changes[start:] {
		next, err := applyEntry(current, &e.entry)
		if err != nil {
			lost = err
			continue
		}
		current, applied = next, true
		if e.typ != deltaEntry {
			lost = nil
		}
	}
	if applied {
		s.overlay.put(current)
		s.endFaults(d, name)
	}
	return lost, nil
}

// firstUnwritten returns the index of the first change of a record that its file, which has a revision, does not have.
// The revision is empty if there is no file. Entries up to lastMissing may be missing.
func firstUnwritten(revision store.Revision, changes []foundEntry, lastMissing uint64) (int, error) {
	for i := len(changes) - 1; i >= 0; i-- {
		switch revision {
		case changes[i].next:
			return i + 1, nil
		case changes[i].base:
			return i, nil
		}
	}
	if revision == "" {
		return 0, nil // an earlier replay has set the file aside, or it was removed
	}
	// A missing change may have made the file. Changes after all that are missing are newer than the file.
	for i, e := range changes {
		if e.number > lastMissing && lastMissing > 0 {
			return i, nil
		}
	}
	return 0, errForeign
}

// applyEntry returns a record after a change.
func applyEntry(p *pendingRecord, e *entry) (*pendingRecord, error) {
	next := &pendingRecord{kind: p.kind, name: p.name, id: p.id, revision: e.next}
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
