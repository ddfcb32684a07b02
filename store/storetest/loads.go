package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/patchsource/patchsource/store"
)

// loadCases are about store.Load.
var loadCases = []testCase{
	{
		"load",
		"Load writes exactly the records that the sequence yields, in any order and of several kinds. Each has a " +
			"revision of its own, as after a Put, and can be changed and loaded again after it was deleted.",
		load,
	},
	{
		"load conflicts",
		"Load returns ErrConflict, and does not change the record, if a record exists or occurs twice.",
		loadConflicts,
	},
	{
		"load errors",
		"Load returns the error that the sequence yields, that of an invalid key, or that of its context. Under a " +
			"context that has ended, it writes nothing.",
		loadErrors,
	},
	{
		"load durable",
		"Records that Load has acknowledged are there after the store was closed and opened again.",
		loadDurable,
	},
}

// loadable returns records of two kinds, with odd ids and values of different sizes.
func loadable() (records []store.Record) {
	for _, id := range oddIDs {
		records = append(records, store.Record{Key: key(id), Value: []byte("value of " + id), Revision: "ignored"})
	}
	for i := range 600 {
		value := strings.Repeat("x", i*10)
		if i%200 == 0 {
			value = strings.Repeat("0123456789abcdef", 1<<17)
		}
		other := store.Key{Kind: "others", ID: fmt.Sprint(i)}
		records = append(records, store.Record{Key: other, Value: []byte(value)})
	}
	return records
}

// sequence yields records, and then an error unless it is nil.
func sequence(records []store.Record, err error) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Record{}, err)
		}
	}
}

// haveLoaded returns an error unless a store has exactly the records.
func haveLoaded(ctx context.Context, s store.Store, records []store.Record) error {
	revisions := map[store.Revision]bool{}
	for _, want := range records {
		r, err := s.Get(ctx, want.Key)
		switch {
		case err != nil:
			return fmt.Errorf("Get(%v): %w", want.Key, err)
		case string(r.Value) != string(want.Value):
			return fmt.Errorf("Get(%v) = %.100q, want %.100q", want.Key, r.Value, want.Value)
		case r.Revision == "" || r.Revision == "ignored" || revisions[r.Revision]:
			return fmt.Errorf("Get(%v) returns the revision %q, want a new one", want.Key, r.Revision)
		}
		revisions[r.Revision] = true
	}
	n := 0
	for _, kind := range []string{"things", "others"} {
		all, err := ids(ctx, s, kind)
		if err != nil {
			return err
		}
		n += len(all)
	}
	if n != len(records) {
		return fmt.Errorf("there are %d records, want %d", n, len(records))
	}
	return nil
}

func load(ctx context.Context, e *env) error {
	records := loadable()
	if err := store.Load(ctx, e.store, sequence(nil, nil)); err != nil {
		return fmt.Errorf("store.Load of no records: %w", err)
	}
	if err := store.Load(ctx, e.store, sequence(records, nil)); err != nil {
		return fmt.Errorf("store.Load: %w", err)
	}
	if err := haveLoaded(ctx, e.store, records); err != nil {
		return err
	}
	first := &records[0]
	r, err := e.store.Get(ctx, first.Key)
	if err != nil {
		return fmt.Errorf("the Get after it: %w", err)
	}
	if r.Revision, err = e.store.Put(ctx, first.Key, []byte("2"), store.IfRevision(r.Revision)); err != nil {
		return fmt.Errorf("a Put over a record that was loaded: %w", err)
	}
	if err := e.store.Delete(ctx, first.Key, store.IfRevision(r.Revision)); err != nil {
		return fmt.Errorf("the Delete after it: %w", err)
	}
	if err := store.Load(ctx, e.store, sequence(records[:1], nil)); err != nil {
		return fmt.Errorf("store.Load of a record that was deleted: %w", err)
	}
	return haveLoaded(ctx, e.store, records)
}

func loadConflicts(ctx context.Context, e *env) error {
	if _, err := put(ctx, e.store, "a", "1"); err != nil {
		return err
	}
	a, b := store.Record{Key: key("a"), Value: []byte("2")}, store.Record{Key: key("b"), Value: []byte("2")}
	if err := store.Load(ctx, e.store, sequence([]store.Record{b, a}, nil)); !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("store.Load over a record: %v, want ErrConflict", err)
	}
	if err := holds(ctx, e.store, "a", "1"); err != nil {
		return err
	}
	c := store.Record{Key: key("c"), Value: []byte("1")}
	if err := store.Load(ctx, e.store, sequence([]store.Record{c, c}, nil)); !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("store.Load of a record twice: %v, want ErrConflict", err)
	}
	return nil
}

func loadErrors(ctx context.Context, e *env) error {
	records, broken := loadable(), errors.New("broken")
	if err := store.Load(ctx, e.store, sequence(records[:3], broken)); !errors.Is(err, broken) {
		return fmt.Errorf("store.Load: %v, want the error of the sequence", err)
	}
	for _, k := range invalidKeyList {
		err := store.Load(ctx, e.store, sequence([]store.Record{{Key: k, Value: []byte("1")}}, nil))
		if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("store.Load of a record with the key %q: %v, want another error", k, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.Load(ended, e.store, sequence(records[3:], nil)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("store.Load under a canceled context: %v, want context.Canceled", err)
	}
	all, err := ids(ctx, e.store, "things")
	if err == nil && len(all) > 3 {
		err = fmt.Errorf("store.Load under a canceled context has written records")
	}
	return err
}

func loadDurable(ctx context.Context, e *env) error {
	if e.reopen == nil {
		return noReopen
	}
	records := loadable()
	if err := store.Load(ctx, e.store, sequence(records, nil)); err != nil {
		return fmt.Errorf("store.Load: %w", err)
	}
	return haveLoaded(ctx, e.reopen(e.store), records)
}
