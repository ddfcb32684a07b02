package s3store

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxGets bounds the objects that a list requests at once.
	maxGets = 16
	// maxAhead bounds the objects that were requested and not yielded yet, and maxAheadBytes their bytes.
	maxAhead      = 64
	maxAheadBytes = 64 << 20
)

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if err := key.Check(); err != nil {
		return store.Record{}, err
	}
	if err := s.begin(ctx); err != nil {
		return store.Record{}, err
	}
	defer s.calls.Done()
	return s.get(ctx, key)
}

// get returns a record.
func (s *Store) get(ctx context.Context, key store.Key) (store.Record, error) {
	o, err := s.bucket.get(ctx, s.objectName(key))
	if errors.Is(err, errAbsent) {
		return store.Record{}, store.ErrNotFound
	}
	if err != nil {
		return store.Record{}, err
	}
	return o.record(key)
}

// List implements [store.Store]. It lists the objects of the kind and then reads up to 16 of them at once.
func (s *Store) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		all, err := s.items(ctx, kind)
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		r := &reader{store: s, all: all, gets: make(chan struct{}, maxGets)}
		defer r.work.Wait()
		defer cancel()
		for range all {
			record, err := r.next(ctx)
			if errors.Is(err, store.ErrNotFound) {
				continue // it was deleted after the list was made
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// A reader reads the records of a list in their order, several at once.
type reader struct {
	store *Store
	all   []item
	gets  chan struct{} // has a value for each request in progress
	work  sync.WaitGroup

	begun, returned int   // how many records of all were requested and returned
	bytes           int64 // of the records requested and not returned
	results         []chan result
}

// A result is that of Get.
type result struct {
	record store.Record
	err    error
}

// next returns the next record and requests some of those after it.
func (r *reader) next(ctx context.Context) (store.Record, error) {
	for r.begun < len(r.all) && (r.begun == r.returned || r.begun < r.returned+maxAhead && r.bytes < maxAheadBytes) {
		r.request(ctx, r.all[r.begun])
	}
	got := <-r.results[0]
	r.results = r.results[1:]
	r.bytes -= r.all[r.returned].size
	r.returned++
	return got.record, got.err
}

// request requests a record.
func (r *reader) request(ctx context.Context, i item) {
	c := make(chan result, 1)
	r.results = append(r.results, c)
	r.begun++
	r.bytes += i.size
	r.work.Go(func() {
		select {
		case r.gets <- struct{}{}:
		case <-ctx.Done():
			c <- result{err: ctx.Err()}
			return
		}
		record, err := r.store.get(ctx, i.key)
		<-r.gets
		c <- result{record, err}
	})
}

// Revisions implements [store.Revisioner]. It makes a request for every thousand records of the kind, and one for each
// id that is too long for the name of an object.
func (s *Store) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		all, err := s.items(ctx, kind)
		if err != nil {
			yield(store.Change{}, err)
			return
		}
		for _, i := range all {
			if !yield(store.Change{Key: i.key, Revision: i.revision}, nil) {
				return
			}
		}
	}
}

// An item is a record in a list of objects.
type item struct {
	key      store.Key
	revision store.Revision
	size     int64
}

// items returns the records of a kind in the order of their ids.
func (s *Store) items(ctx context.Context, kind string) (all []item, err error) {
	if err := store.CheckKind(kind); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	for e, err := range s.bucket.list(ctx, s.prefix+kind+"/") {
		if err != nil {
			return nil, err
		}
		if e.size == tombstoneSize {
			continue
		}
		id, ok := unescape(e.name)
		if !ok && isHashed(e.name) {
			if id, err = s.longID(ctx, s.prefix+kind+"/"+e.name); err != nil {
				return nil, err
			}
		}
		if key := (store.Key{Kind: kind, ID: id}); key.Check() == nil { // other objects are not records
			all = append(all, item{key, e.tag, e.size})
		}
	}
	slices.SortFunc(all, func(a, b item) int { return cmp.Compare(a.key.ID, b.key.ID) })
	return all, nil
}

// longID returns the id of an object that its name does not tell. It is empty if there is no record.
func (s *Store) longID(ctx context.Context, name string) (string, error) {
	o, err := s.bucket.getHeader(ctx, name)
	if err != nil && !errors.Is(err, errAbsent) {
		return "", err
	}
	h, _, _ := o.header()
	return h.ID, nil
}
