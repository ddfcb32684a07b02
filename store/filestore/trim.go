package filestore

// seal ends the active segment, so that the journal can be trimmed after the records in it have been written.
func (s *Store) seal() {
	j := &s.journal
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.active != nil && len(j.sealed) == 0 {
		j.sealed, j.active = []*segment{j.active}, nil
	}
}

// checkpoint returns a checkpoint. The caller must hold j.writing.
func (j *journal) checkpoint() *entry {
	return &entry{typ: checkpointEntry, firstNeeded: j.firstNeeded, unreportedFrom: j.unreportedFrom}
}

// trim removes the sealed segments, whose changes are in the files of their records or in the active segment too.
func (s *Store) trim() error {
	j := &s.journal
	j.writing.Lock()
	sealed, active, broken := j.sealed, j.active, false
	for _, g := range sealed {
		broken = broken || g.broken
	}
	if broken && j.unreportedFrom == 0 {
		j.unreportedFrom = max(1, j.firstNeeded)
	}
	for _, g := range sealed {
		j.firstNeeded = max(j.firstNeeded, g.last+1)
	}
	checkpoint := j.checkpoint()
	j.writing.Unlock()
	// Without the checkpoint, a crash that leaves some of several segments would leave a journal that does not match
	// the files.
	if active != nil || len(sealed) > 1 {
		if err := s.commit(checkpoint, nil); err != nil {
			return err
		}
	}
	for i := len(sealed) - 1; i >= 0; i-- {
		if err := s.dropSegment(sealed[i]); err != nil {
			return err
		}
		j.writing.Lock()
		j.sealed = sealed[:i]
		j.bytes.Add(-sealed[i].end)
		j.writing.Unlock()
	}
	if !broken {
		return nil
	}
	j.writing.Lock()
	j.unreportedFrom = 0
	checkpoint, active = j.checkpoint(), j.active
	j.writing.Unlock()
	if active == nil {
		return nil
	}
	return s.commit(checkpoint, nil)
}

// dropSegment removes a segment from the journal, or makes it the next one. It keeps a broken segment elsewhere.
func (s *Store) dropSegment(g *segment) error {
	j := &s.journal
	if g.broken {
		return s.keepBroken(g)
	}
	j.writing.Lock()
	recycle := j.next == nil && g.file != nil && g.size <= maxRecycled
	if recycle {
		defer j.writing.Unlock()
		j.segments++
		next, err := s.newSegment(j.segments, g)
		j.next = next
		return err
	}
	j.writing.Unlock()
	if g.file != nil {
		_ = g.file.Close()
		g.file = nil
	}
	return s.removeSegments(g)
}
