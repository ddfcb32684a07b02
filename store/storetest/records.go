package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// recordCases are about Get, Put and Delete of one record.
var recordCases = []testCase{
	{
		"absent",
		"Get and Delete of a record that does not exist, or was deleted, return ErrNotFound whatever the condition. " +
			"An error of the storage is not ErrNotFound.",
		absent,
	},
	{
		"round trip",
		"Get returns exactly the bytes that were put, and the revision that Put returned.",
		roundTrip,
	},
	{
		"copies",
		"A store does not keep the slice that Put was given, nor one that Get or List has returned.",
		copies,
	},
	{
		"if absent",
		"Put with IfAbsent creates a record. If there is one, it returns ErrConflict and changes nothing.",
		ifAbsent,
	},
	{
		"if revision",
		"Put with IfRevision succeeds for the current revision. For another one, or without a record, it returns " +
			"ErrConflict and changes nothing.",
		ifRevision,
	},
	{
		"revisions",
		"Every Put gives the record a new revision, even if the bytes are the same or the record was deleted before. " +
			"A revision is never used again.",
		revisions,
	},
	{
		"delete",
		"Delete removes a record if its condition holds. Otherwise it returns ErrConflict and changes nothing.",
		deletes,
	},
	{
		"canceled",
		"Under a context that has ended, nothing is read or written, and the error is that of the context.",
		canceled,
	},
	{
		"durable",
		"Changes that Put and Delete have acknowledged are there after the store was closed and opened again.",
		durable,
	},
}

func absent(ctx context.Context, e *env) error {
	if err := isAbsent(ctx, e.store, "1"); err != nil {
		return err
	}
	rev, err := put(ctx, e.store, "a", "1")
	if err != nil {
		return err
	}
	if err := e.store.Delete(ctx, key("a"), store.Condition{}); err != nil {
		return err
	}
	if err := isAbsent(ctx, e.store, rev); err != nil {
		return fmt.Errorf("after it was deleted: %w", err)
	}
	return nil
}

// isAbsent returns an error unless the record a is absent. rev is a revision that it may have had.
func isAbsent(ctx context.Context, s store.Store, rev store.Revision) error {
	if _, err := s.Get(ctx, key("a")); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("get: %v, want ErrNotFound", err)
	}
	for name, cond := range map[string]store.Condition{
		"no condition": {}, "IfRevision": store.IfRevision(rev), "IfAbsent": store.IfAbsent(),
	} {
		if err := s.Delete(ctx, key("a"), cond); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("delete with %s: %v, want ErrNotFound", name, err)
		}
	}
	return nil
}

func roundTrip(ctx context.Context, e *env) error {
	for name, value := range map[string]string{
		"empty":            "",
		"JSON":             `{"a":1}`,
		"JSON with spaces": " { \"a\" : 1 }\n",
		"JSON number":      "1",
		"two objects":      "{}{}",
		"duplicate member": `{"a":1,"a":2}`,
		"NUL":              "a\x00b",
		"not UTF-8":        "\xff\xfe",
		"quote":            `"`,
		"two lines":        "a\nb",
		"large":            strings.Repeat("0123456789abcdef", 1<<17),
	} {
		rev, err := put(ctx, e.store, "a", value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r, err := e.store.Get(ctx, key("a"))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if string(r.Value) != value || r.Key != key("a") || r.Revision != rev || rev == "" {
			return fmt.Errorf("%s: Get returns %.60q of %v in revision %q, Put wrote %.60q in revision %q",
				name, r.Value, r.Key, r.Revision, value, rev)
		}
	}
	return nil
}

func copies(ctx context.Context, e *env) error {
	value := []byte("value")
	if _, err := e.store.Put(ctx, key("a"), value, store.Condition{}); err != nil {
		return err
	}
	value[0] = 'X'
	if err := holds(ctx, e.store, "a", "value"); err != nil {
		return fmt.Errorf("after the caller changed the slice that it put: %w", err)
	}
	r, err := e.store.Get(ctx, key("a"))
	if err != nil {
		return err
	}
	r.Value[0] = 'Y'
	for r, err := range e.store.List(ctx, "things") {
		if err != nil {
			return err
		}
		r.Value[0] = 'Z'
	}
	if err := holds(ctx, e.store, "a", "value"); err != nil {
		return fmt.Errorf("after the caller changed the slice that it got: %w", err)
	}
	return nil
}

func ifAbsent(ctx context.Context, e *env) error {
	if _, err := e.store.Put(ctx, key("a"), []byte("1"), store.IfAbsent()); err != nil {
		return fmt.Errorf("put with IfAbsent: %w", err)
	}
	if _, err := e.store.Put(ctx, key("a"), []byte("2"), store.IfAbsent()); !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("a second Put with IfAbsent: %v, want ErrConflict", err)
	}
	if err := holds(ctx, e.store, "a", "1"); err != nil {
		return err
	}
	if err := e.store.Delete(ctx, key("a"), store.Condition{}); err != nil {
		return err
	}
	if _, err := e.store.Put(ctx, key("a"), []byte("3"), store.IfAbsent()); err != nil {
		return fmt.Errorf("put with IfAbsent after Delete: %w", err)
	}
	return holds(ctx, e.store, "a", "3")
}

func ifRevision(ctx context.Context, e *env) error {
	if _, err := e.store.Put(ctx, key("a"), []byte("0"), store.IfRevision("1")); !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("put with IfRevision without a record: %v, want ErrConflict", err)
	}
	if _, err := e.store.Get(ctx, key("a")); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("get after a Put that failed: %v, want ErrNotFound", err)
	}
	first, err := put(ctx, e.store, "a", "1")
	if err != nil {
		return err
	}
	second, err := e.store.Put(ctx, key("a"), []byte("2"), store.IfRevision(first))
	if err != nil {
		return fmt.Errorf("put with the current revision: %w", err)
	}
	for _, stale := range []store.Revision{first, "", second + "x", "no such revision"} {
		_, err := e.store.Put(ctx, key("a"), []byte("3"), store.IfRevision(stale))
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("put with revision %q when %q is current: %v, want ErrConflict", stale, second, err)
		}
	}
	return holds(ctx, e.store, "a", "2")
}

func revisions(ctx context.Context, e *env) error {
	seen := map[store.Revision]bool{}
	for i := range 6 {
		if i%3 == 2 {
			if err := e.store.Delete(ctx, key("a"), store.Condition{}); err != nil {
				return err
			}
		}
		rev, err := put(ctx, e.store, "a", "same")
		if err != nil {
			return err
		}
		if rev == "" || seen[rev] {
			return fmt.Errorf("put %d returns the revision %q, which is empty or was used before", i, rev)
		}
		seen[rev] = true
	}
	return nil
}

func deletes(ctx context.Context, e *env) error {
	first, err := put(ctx, e.store, "a", "1")
	if err != nil {
		return err
	}
	second, err := put(ctx, e.store, "a", "2")
	if err != nil {
		return err
	}
	for _, cond := range []store.Condition{store.IfRevision(first), store.IfAbsent(), store.IfRevision("")} {
		if err := e.store.Delete(ctx, key("a"), cond); !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("delete with a condition that does not hold: %v, want ErrConflict", err)
		}
	}
	if err := holds(ctx, e.store, "a", "2"); err != nil {
		return err
	}
	if err := e.store.Delete(ctx, key("a"), store.IfRevision(second)); err != nil {
		return err
	}
	if err := e.store.Delete(ctx, key("a"), store.Condition{}); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("a second Delete: %v, want ErrNotFound", err)
	}
	if ids, err := ids(ctx, e.store, "things"); err != nil || len(ids) != 0 {
		return fmt.Errorf("list after Delete: %q, %v, want no records", ids, err)
	}
	return nil
}

func canceled(ctx context.Context, e *env) error {
	rev, err := put(ctx, e.store, "a", "1")
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, getErr := e.store.Get(ended, key("a"))
	_, putErr := e.store.Put(ended, key("a"), []byte("2"), store.IfRevision(rev))
	_, newErr := e.store.Put(ended, key("b"), []byte("2"), store.Condition{})
	_, listErr := ids(ended, e.store, "things")
	for i, err := range []error{getErr, putErr, newErr, listErr, e.store.Delete(ended, key("a"), store.Condition{})} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("call %d: %v, want context.Canceled", i, err)
		}
	}
	if got, err := ids(ctx, e.store, "things"); err != nil || !slices.Equal(got, []string{"a"}) {
		return fmt.Errorf("the store now has %q, %v, want only a", got, err)
	}
	return holds(ctx, e.store, "a", "1")
}

func durable(ctx context.Context, e *env) error {
	if e.reopen == nil {
		return noReopen
	}
	var want []store.Record
	for _, id := range slices.Sorted(slices.Values(oddIDs)) {
		rev, err := put(ctx, e.store, id, "value of "+id)
		if err != nil {
			return err
		}
		want = append(want, store.Record{Key: key(id), Value: []byte("value of " + id), Revision: rev})
	}
	if err := e.store.Delete(ctx, want[0].Key, store.Condition{}); err != nil {
		return err
	}
	e.store = e.reopen(e.store)
	var got []store.Record
	for r, err := range e.store.List(ctx, "things") {
		if err != nil {
			return err
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want[1:], got); diff != "" {
		return fmt.Errorf("records after the restart (-want +got):\n%s", diff)
	}
	rev, err := e.store.Put(ctx, want[1].Key, []byte("new"), store.IfRevision(want[1].Revision))
	if err != nil || rev == want[1].Revision {
		return fmt.Errorf("put with a revision from before the restart: %q, %v", rev, err)
	}
	return nil
}
