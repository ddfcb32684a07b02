package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/store"
)

// A table keeps the records of one kind in memory, decoded. All writes of this process go through it, so that memory
// equals the store. The writes of other servers reach it by follow, by reload, or when a write of its own conflicts
// with one.
type table[T any] struct {
	store store.Store
	kind  string
	// decode reads a record. old is the value that the result replaces, or the zero value.
	decode func(r store.Record, old T) (T, error)
	// unreadable returns the value in place of that of a record that exists but cannot be read, which may say that
	// tokens have ended. old is the value in memory, or the zero value. It reports false if no value is needed.
	unreadable func(old T) (value T, needed bool)
	// tags returns the tags of a value, each once. If nil, no value has any.
	tags func(value T) []tag

	writing *locks          // of an id is held from the beginning of a write or read until memory is up to date
	reads   [lockCount]read // the last one of the ids of each lock, which guards it

	fresh atomic.Int64 // see Service.fresh

	mu    sync.RWMutex
	rows  map[string]row[T] // by id; values never change
	byTag map[tag][]string  // the ids of the values with a tag, in no order
}

// A read is that of one record from the store.
type read struct {
	id    string
	began time.Time
}

// newTable returns an empty table of the records of a kind.
func newTable[T any](
	s store.Store, kind string, decode func(store.Record, T) (T, error), unreadable func(T) (T, bool),
	tags func(T) []tag,
) *table[T] {
	return &table[T]{store: s, kind: kind, decode: decode, unreadable: unreadable, tags: tags, writing: newLocks()}
}

type row[T any] struct {
	value T
	rev   store.Revision
}

// A decodeError says that a record cannot be read: it is corrupt, or in the format of a later release.
type decodeError struct {
	key store.Key
	err error
}

func (e *decodeError) Error() string {
	if errors.Is(e.err, store.ErrFormat) {
		return e.err.Error() // it names the record
	}
	return fmt.Sprintf("%v: %v", e.key, e.err)
}

func (e *decodeError) Unwrap() error { return e.err }

// get returns the value under id and its revision, or zero values.
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

// tagged returns the values with a tag, by id.
func (t *table[T]) tagged(with tag) map[string]T {
	t.mu.RLock()
	defer t.mu.RUnlock()
	ids := t.byTag[with]
	found := make(map[string]T, len(ids))
	for _, id := range ids {
		found[id] = t.rows[id].value
	}
	return found
}

// hasTag reports whether there is a value with a tag.
func (t *table[T]) hasTag(with tag) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byTag[with]) > 0
}

// set replaces a row in memory. If r is nil, it removes the row.
func (t *table[T]) set(id string, r *row[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var before, after []tag
	if old, ok := t.rows[id]; ok {
		before = t.tagsOf(old.value)
	}
	if r == nil {
		delete(t.rows, id)
	} else {
		t.rows[id] = *r
		after = t.tagsOf(r.value)
	}
	if slices.Equal(before, after) {
		return
	}
	for _, one := range before {
		t.untag(one, id)
	}
	for _, one := range after {
		t.byTag[one] = append(t.byTag[one], id)
	}
}

// tagsOf returns the tags of a value.
func (t *table[T]) tagsOf(value T) []tag {
	if t.tags == nil {
		return nil
	}
	return t.tags(value)
}

// untag removes a tag of the value under id. The caller must hold mu.
func (t *table[T]) untag(from tag, id string) {
	ids := t.byTag[from]
	if len(ids) == 1 {
		delete(t.byTag, from)
		return
	}
	last := len(ids) - 1
	ids[slices.Index(ids, id)] = ids[last]
	ids[last] = ""
	t.byTag[from] = ids[:last]
}

// setAll replaces all rows in memory.
func (t *table[T]) setAll(rows map[string]row[T]) {
	byTag := map[tag][]string{}
	for id, r := range rows {
		for _, one := range t.tagsOf(r.value) {
			byTag[one] = append(byTag[one], id)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows, t.byTag = rows, byTag
}

// load reads all records. If one cannot be decoded, load returns a *decodeError after it has loaded the others; see
// table.unreadable.
func (t *table[T]) load(ctx context.Context) error {
	release, err := t.writing.takeAll(ctx)
	if err != nil {
		return err
	}
	defer release()
	return t.loadLocked(ctx)
}

// loadLocked does the work of load. The caller must hold all locks.
func (t *table[T]) loadLocked(ctx context.Context) error {
	rows := map[string]row[T]{}
	var undecodable error
	unread := func(key store.Key, err error) {
		undecodable = errors.Join(undecodable, &decodeError{key, err})
		old, rev := t.get(key.ID)
		if value, needed := t.unreadable(old); needed {
			rows[key.ID] = row[T]{value, rev}
		}
	}
	for r, err := range store.ListReadable(ctx, t.store, t.kind, unread) {
		if err != nil {
			return err
		}
		old, _ := t.get(r.Key.ID)
		value, err := t.decode(r, old)
		if err != nil {
			unread(r.Key, err)
			continue
		}
		rows[r.Key.ID] = row[T]{value, r.Revision}
	}
	t.setAll(rows)
	return undecodable
}

// maxReloads is how many changed records refresh reads one by one.
const maxReloads = 64

// refresh is like load. If the store can tell revisions, it reads only the records that differ from memory: no record
// can be read or written by others in this process meanwhile, and there may be many.
func (t *table[T]) refresh(ctx context.Context) error {
	release, err := t.writing.takeAll(ctx)
	if err != nil {
		return err
	}
	defer release()
	if _, ok := store.As[store.Revisioner](t.store); !ok {
		return t.loadLocked(ctx)
	}
	differing, err := t.differing(ctx)
	if err != nil {
		return err
	}
	if len(differing) > maxReloads {
		return t.loadLocked(ctx)
	}
	var undecodable error
	for _, id := range differing {
		err := t.reloadLocked(ctx, id)
		if known(err) != nil {
			return err
		}
		undecodable = errors.Join(undecodable, err)
	}
	return undecodable
}

// differing returns the ids of the records that have another revision in the store than in memory, or are in one of
// them only.
func (t *table[T]) differing(ctx context.Context) (ids []string, err error) {
	rows := t.all()
	for c, err := range store.Revisions(ctx, t.store, t.kind) {
		if err != nil {
			return nil, err
		}
		if rev := rows[c.Key.ID].rev; rev == "" || rev != c.Revision {
			ids = append(ids, c.Key.ID)
		}
		delete(rows, c.Key.ID)
	}
	return slices.AppendSeq(ids, maps.Keys(rows)), nil
}

// reload reads one record that may have changed. Of several calls at once, not all need to read it.
func (t *table[T]) reload(ctx context.Context, id string) error {
	asked := time.Now()
	release, err := t.writing.take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	last := &t.reads[t.writing.indexOf(id)]
	if last.id == id && last.began.After(asked) {
		return nil
	}
	began := time.Now()
	if err := t.reloadLocked(ctx, id); err != nil {
		return err
	}
	*last = read{id, began}
	return nil
}

// reloadLocked does the work of reload. The caller must hold the lock of id. The error is a *decodeError, see
// table.unreadable, or that of the store.
func (t *table[T]) reloadLocked(ctx context.Context, id string) error {
	key := store.Key{Kind: t.kind, ID: id}
	r, err := t.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		t.set(id, nil)
		return nil
	}
	corrupt := errors.Is(err, store.ErrCorrupt)
	if err != nil && !corrupt {
		return err
	}
	old, rev := t.get(id)
	var value T
	if !corrupt {
		value, err = t.decode(r, old)
	}
	if err == nil {
		t.set(id, &row[T]{value, r.Revision})
		return nil
	}
	if value, needed := t.unreadable(old); needed {
		t.set(id, &row[T]{value, rev}) // a write conflicts, as the store has another revision
	}
	return &decodeError{key, err}
}

// follow applies the changes of other servers until ctx ends; see [store.Follow]. fresh is called with times up to
// which they are applied, and report with each error.
func (t *table[T]) follow(ctx context.Context, fresh func(time.Time), report func(error)) {
	// A record that cannot be read now cannot be read later either, and must not keep the others waiting.
	skip := func(err error) error {
		var undecodable *decodeError
		if errors.As(err, &undecodable) {
			report(err)
			return nil
		}
		return err
	}
	store.Follow(ctx, t.store, t.kind, store.Follower{
		Reload: func(ctx context.Context) error { return skip(t.refresh(ctx)) },
		Apply:  func(ctx context.Context, c store.Change) error { return skip(t.reload(ctx, c.Key.ID)) },
		Fresh:  fresh,
		Report: report,
	})
}

// update changes a record: f returns the value that replaces old, or false if nothing is to be written. old is the zero
// value if there is no record, which update then creates. After a conflict, f is called again.
//
// The error is [ErrUnavailable], that of f or that of ctx.
func (t *table[T]) update(ctx context.Context, id string, f func(old T) (T, bool, error)) error {
	err := store.RetryConflicts(ctx, func() error {
		old, rev := t.get(id)
		value, ok, err := f(old)
		if err != nil || !ok {
			return err
		}
		// After a conflict, memory has the value of the other writer.
		return t.put(ctx, id, value, store.IfUnchanged(rev))
	})
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: try again: %w", ErrUnavailable, err)
	}
	return err
}

// put writes a record. Afterwards memory equals the store, even if the write failed or its outcome is unknown. The
// error is store.ErrConflict, [ErrUnavailable] or that of ctx.
func (t *table[T]) put(ctx context.Context, id string, value T, cond store.Condition) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	key := store.Key{Kind: t.kind, ID: id}
	release, err := t.writing.take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	return store.Finish(ctx, func(ctx context.Context) error {
		rev, err := t.store.Put(ctx, key, data, cond)
		if err == nil {
			t.set(id, &row[T]{value, rev})
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return errors.Join(fmt.Errorf("auth: %s: %w", key, err), t.reloadLocked(ctx, id))
	})
}

// remove deletes a record that is still at a revision. It is not an error if the record is gone, or if another writer
// has changed it. The error is [ErrUnavailable] or that of ctx.
func (t *table[T]) remove(ctx context.Context, id string, rev store.Revision) error {
	key := store.Key{Kind: t.kind, ID: id}
	release, err := t.writing.take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	return store.Finish(ctx, func(ctx context.Context) error {
		err := t.store.Delete(ctx, key, store.IfRevision(rev))
		switch {
		case errors.Is(err, store.ErrConflict):
			return nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("%w: %s: %w", ErrUnavailable, key, err)
		}
		t.set(id, nil)
		return nil
	})
}
