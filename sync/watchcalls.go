package patchsync

// begin notes that a call of the store for a record begins, and returns its number. end must be called after it.
func (s *watchStore) begin(id string) (call uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.pending[id]++
	return s.calls
}

// end notes that a call has ended which found or wrote a record, or found it gone if saved has none. It returns the
// record as it is in memory then. current is false if a later call has ended before: this one may have seen an older
// record, so that the record must be read again. written reports that the call has changed the record: the other calls
// in progress may have seen an older one.
func (s *watchStore) end(id string, call uint64, saved savedWatch, written bool) (_ savedWatch, current bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.release(id)
	current = call >= s.latest[id]
	if written {
		s.calls++
		call = s.calls
	}
	s.latest[id] = max(call, s.latest[id])
	switch {
	case !current:
	case saved.record != nil:
		saved = s.remember(id, saved)
	default:
		s.drop(id)
	}
	return saved, current
}

// remember makes a record the one in memory, unless that has the same revision: it may have what is not worth a write;
// see keep. It returns the record in memory. The caller must hold mu.
func (s *watchStore) remember(id string, saved savedWatch) savedWatch {
	if known := s.records[id]; known.record != nil && known.revision == saved.revision {
		saved = known
	}
	s.records[id] = saved
	s.adopted(saved)
	return saved
}

// keep remembers changes of a record that are not worth a write, unless another record was read or written meanwhile.
// They are lost when the server stops.
func (s *watchStore) keep(id string, saved savedWatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[id].revision == saved.revision {
		s.records[id] = saved
		s.adopted(saved)
	}
}

// abandon notes that a call has ended without a result.
func (s *watchStore) abandon(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(id)
}

// release ends a call. The caller must hold mu.
func (s *watchStore) release(id string) {
	if s.pending[id]--; s.pending[id] > 0 {
		return
	}
	delete(s.pending, id)
	s.forgetCalls(id)
}

// forgetCalls forgets the latest call for a record that is gone, unless a call in progress may have seen the record.
// The caller must hold mu.
func (s *watchStore) forgetCalls(id string) {
	if _, ok := s.records[id]; !ok && s.pending[id] == 0 && !s.listing {
		delete(s.latest, id)
	}
}

// drop forgets a record that the store no longer has. The caller must hold mu.
func (s *watchStore) drop(id string) {
	delete(s.records, id)
	delete(s.turns, id)
	s.removed(id)
}
