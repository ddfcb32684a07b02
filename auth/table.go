package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/patchsource/patchsource/store"
)

// maxTries is how often a change is tried against other writers.
const maxTries = 5

// A table keeps the records of one kind in memory, decoded. Every write goes through it, so that memory has what the
// store has. Other servers' writes reach it by follow, or when a write of its own loses against one of them.
type table[T any] struct {
	store store.Store
	kind  string
	// decode reads a record. old is the value that it replaces; the zero value if there is none.
	decode func(r store.Record, old T) (T, error)

	writing sync.Mutex // held while a record is written, and until memory has it

	mu   sync.RWMutex
	rows map[string]row[T] // by id; values never change
}

type row[T any] struct {
	value T
	rev   store.Revision
}

// get returns the value under id and its revision; the zero values if there is none.
func (t *table[T]) get(id string) (T, store.Revision) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r := t.rows[id]
	return r.value, r.rev
}

// all returns a copy of the rows.
func (t *table[T]) all() map[string]row[T] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.rows)
}

// each calls f with every value. f must not use the table.
func (t *table[T]) each(f func(id string, value T)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for id, r := range t.rows {
		f(id, r.value)
	}
}

// set records in memory that the record has become r; nil: that it is not there.
func (t *table[T]) set(id string, r *row[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r == nil {
		delete(t.rows, id)
	} else {
		t.rows[id] = *r
	}
}

// load reads all records, at first and after a gap.
func (t *table[T]) load(ctx context.Context) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	rows := map[string]row[T]{}
	for r, err := range t.store.List(ctx, t.kind) {
		if err != nil {
			return err
		}
		old, _ := t.get(r.Key.ID)
		value, err := t.decode(r, old)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Key, err)
		}
		rows[r.Key.ID] = row[T]{value, r.Revision}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = rows
	return nil
}

// learn reads one record that may have changed.
func (t *table[T]) learn(ctx context.Context, id string) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	return t.learnLocked(ctx, id)
}

// learnLocked does the work of learn. The caller must hold writing.
func (t *table[T]) learnLocked(ctx context.Context, id string) error {
	key := store.Key{Kind: t.kind, ID: id}
	r, err := t.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		t.set(id, nil)
		return nil
	}
	if err != nil {
		return err
	}
	old, rev := t.get(id)
	if rev == r.Revision {
		return nil
	}
	value, err := t.decode(r, old)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	t.set(id, &row[T]{value, r.Revision})
	return nil
}

// follow learns of the changes that other servers make, until ctx ends. Over a store that is no store.Watcher it
// returns at once.
func (t *table[T]) follow(ctx context.Context) error {
	w, ok := store.As[store.Watcher](t.store)
	if !ok {
		return nil
	}
	for change, err := range w.Watch(ctx, t.kind) {
		switch {
		case err != nil:
		case change.Key == (store.Key{}):
			err = t.load(ctx)
		default:
			err = t.learn(ctx, change.Key.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// update changes a record: f returns the value that follows old, or false if nothing is to be written. It is called
// again when another writer was faster. old is the zero value if there is no record, which update then creates.
//
// The error is [ErrUnavailable], that of f or that of ctx.
func (t *table[T]) update(ctx context.Context, id string, f func(old T) (T, bool, error)) error {
	for range maxTries {
		old, rev := t.get(id)
		value, ok, err := f(old)
		if err != nil || !ok {
			return err
		}
		cond := store.IfRevision(rev)
		if rev == "" {
			cond = store.IfAbsent()
		}
		// If another writer was faster, memory has by now what it wrote.
		if err := t.put(ctx, id, value, cond); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: %s/%s is changed by others too fast: try again", ErrUnavailable, t.kind, id)
}

// put writes a record. Afterwards memory has what the store has, also when the write failed, or its outcome is not
// known. The error is store.ErrConflict, [ErrUnavailable] or that of ctx.
func (t *table[T]) put(ctx context.Context, id string, value T, cond store.Condition) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	// A write that has begun is brought to its end, even if the caller has gone away.
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	key := store.Key{Kind: t.kind, ID: id}
	rev, err := t.store.Put(ctx, key, data, cond)
	if err == nil {
		t.set(id, &row[T]{value, rev})
		return nil
	}
	if !errors.Is(err, store.ErrConflict) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return errors.Join(fmt.Errorf("auth: %s: %w", key, err), t.learnLocked(ctx, id))
}

// remove deletes a record if it is still in revision rev. A record that is gone, or that another writer has changed,
// is no error. The error is [ErrUnavailable] or that of ctx.
func (t *table[T]) remove(ctx context.Context, id string, rev store.Revision) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	key := store.Key{Kind: t.kind, ID: id}
	err := t.store.Delete(ctx, key, store.IfRevision(rev))
	switch {
	case errors.Is(err, store.ErrConflict):
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, key, err)
	}
	t.set(id, nil)
	return nil
}
