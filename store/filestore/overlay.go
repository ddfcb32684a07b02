package filestore

import (
	"bytes"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// A pendingRecord is a record whose last change is durable in the journal and not yet in the file of the record. It is
// not changed after it has been added to the overlay.
type pendingRecord struct {
	kind, name string // of the file
	id         string
	revision   store.Revision // empty if the record was deleted
	value      []byte
}

// size returns about the memory that p takes.
func (p *pendingRecord) size() int64 { return int64(len(p.value)+len(p.id)+len(p.name)) + 200 }

// record returns the record. The error is store.ErrNotFound if it was deleted.
func (p *pendingRecord) record() (store.Record, error) {
	if p.revision == "" {
		return store.Record{}, store.ErrNotFound
	}
	key := store.Key{Kind: p.kind, ID: p.id}
	return store.Record{Key: key, Value: bytes.Clone(p.value), Revision: p.revision}, nil
}

// An overlay has the pending records of a store. Readers look into it before they look at the files.
type overlay struct {
	mu     sync.RWMutex
	byKind map[string]map[string]*pendingRecord // by kind and the name of the file
	count  int
	bytes  int64
}

// get returns a pending record, or nil if the record is not pending.
func (o *overlay) get(kind, name string) *pendingRecord {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.byKind[kind][name]
}

// put adds a pending record, or replaces the one of an earlier change.
func (o *overlay) put(p *pendingRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKind == nil {
		o.byKind = map[string]map[string]*pendingRecord{}
	}
	records := o.byKind[p.kind]
	if records == nil {
		records = map[string]*pendingRecord{}
		o.byKind[p.kind] = records
	}
	if old := records[p.name]; old != nil {
		o.count--
		o.bytes -= old.size()
	}
	records[p.name] = p
	o.count++
	o.bytes += p.size()
}

// remove removes a pending record unless it has been changed again.
func (o *overlay) remove(p *pendingRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKind[p.kind][p.name] != p {
		return
	}
	delete(o.byKind[p.kind], p.name)
	o.count--
	o.bytes -= p.size()
}

// all returns the pending records.
func (o *overlay) all() (all []*pendingRecord) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all = make([]*pendingRecord, 0, o.count)
	for _, records := range o.byKind {
		for _, p := range records {
			all = append(all, p)
		}
	}
	return all
}

// ofKind returns the pending records of a kind.
func (o *overlay) ofKind(kind string) (all []*pendingRecord) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, p := range o.byKind[kind] {
		all = append(all, p)
	}
	return all
}

// load returns the number of pending records and about the memory that they take.
func (o *overlay) load() (count int, bytes int64) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.count, o.bytes
}
