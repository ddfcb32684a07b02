package filestore

import (
	"errors"
	"io/fs"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxRepeated and maxRepeatedBytes bound the records that repeatChanges appends.
	maxRepeated      = 256
	maxRepeatedBytes = 16 << 20
)

// repeatChanges appends the current state of records whose files cannot be written to the active segment, so that the
// sealed segments can be removed: a few such records must not stop the changes of all others. It returns false if there
// are too many.
func (s *Store) repeatChanges(failed []failedWrite) (ok bool, err error) {
	var size int64
	for _, f := range failed {
		size += f.record.size()
	}
	if len(failed) > maxRepeated || size > maxRepeatedBytes {
		return false, nil
	}
	for _, f := range failed {
		if err := s.repeatChange(f.record); err != nil {
			return false, err
		}
	}
	return true, nil
}

// repeatChange appends the current state of a pending record to the journal as a change of the state in its file.
func (s *Store) repeatChange(p *pendingRecord) error {
	defer s.lockRecord(p.kind, p.name)()
	p = s.overlay.get(p.kind, p.name)
	if p == nil {
		return nil
	}
	d, err := s.kind(p.kind)
	if err != nil {
		return err
	}
	file, err := s.readHead(d, p.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	e := &entry{typ: valueEntry, key: store.Key{Kind: p.kind, ID: p.id}, base: file.Revision, next: p.revision}
	if p.revision == "" {
		e.typ = deletionEntry
	} else {
		e.payload = p.value
	}
	return s.commit(e, nil)
}
