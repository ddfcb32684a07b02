package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// listCases are about List.
var listCases = []testCase{
	{"list", "List yields the records of one kind, each whole and once, in the order of the bytes of their ids.", list},
	{
		"list ends early",
		"A List can be left at any point. The store can be used within and after the loop.",
		listEndsEarly,
	},
	{
		"list revisions",
		"Revisions of a store that is a Revisioner yields what List yields, without the values.",
		listRevisions,
	},
	{"kinds", "The same id in two kinds names two records.", kinds},
}

func list(ctx context.Context, e *env) error {
	want := []string{"A", "B", "a", "a-", "a.b", "a/b", "a0", "b", "b ", "é"}
	revs := map[string]store.Revision{}
	for _, id := range []string{"b", "a/b", "A", "é", "a", "a-", "b ", "a.b", "B", "a0"} {
		rev, err := put(ctx, e.store, id, "value of "+id)
		if err != nil {
			return err
		}
		revs[id] = rev
	}
	var got []string
	for r, err := range e.store.List(ctx, "things") {
		if err != nil {
			return err
		}
		got = append(got, r.Key.ID)
		if r.Key.Kind != "things" || string(r.Value) != "value of "+r.Key.ID || r.Revision != revs[r.Key.ID] {
			return fmt.Errorf("list yields %v %q in revision %q, Put returned %q",
				r.Key, r.Value, r.Revision, revs[r.Key.ID])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("ids that List yields (-want +got):\n%s", diff)
	}
	if got, err := ids(ctx, e.store, "nothing"); err != nil || len(got) != 0 {
		return fmt.Errorf("list of a kind without records: %q, %v", got, err)
	}
	return nil
}

func listEndsEarly(ctx context.Context, e *env) error {
	for _, id := range []string{"a", "b", "c"} {
		if _, err := put(ctx, e.store, id, "1"); err != nil {
			return err
		}
	}
	for r, err := range e.store.List(ctx, "things") {
		if err != nil {
			return err
		}
		if _, err := put(ctx, e.store, r.Key.ID, "2"); err != nil {
			return fmt.Errorf("within the loop: %w", err)
		}
		break
	}
	return holds(ctx, e.store, "a", "2")
}

func listRevisions(ctx context.Context, e *env) error {
	r, ok := store.As[store.Revisioner](e.store)
	if !ok {
		return noRevisioner
	}
	for _, id := range []string{"b", "a", "gone", "A", "é", "a/b"} {
		if _, err := put(ctx, e.store, id, "value of "+id); err != nil {
			return err
		}
	}
	if err := e.store.Delete(ctx, key("gone"), store.Condition{}); err != nil {
		return err
	}
	var want, got []store.Change
	for r, err := range e.store.List(ctx, "things") {
		if err != nil {
			return err
		}
		want = append(want, store.Change{Key: r.Key, Revision: r.Revision})
	}
	for c, err := range r.Revisions(ctx, "things") {
		if err != nil {
			return err
		}
		got = append(got, c)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("what Revisions yields (-want +got):\n%s", diff)
	}
	for _, err := range r.Revisions(ctx, "../things") {
		if err != nil {
			return nil
		}
	}
	return errors.New("revisions of kind ../things: no error")
}

func kinds(ctx context.Context, e *env) error {
	other := store.Key{Kind: "others", ID: "a"}
	if _, err := put(ctx, e.store, "a", "1"); err != nil {
		return err
	}
	if _, err := e.store.Get(ctx, other); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("get of the id in another kind: %v, want ErrNotFound", err)
	}
	if _, err := e.store.Put(ctx, other, []byte("2"), store.IfAbsent()); err != nil {
		return err
	}
	if err := e.store.Delete(ctx, other, store.Condition{}); err != nil {
		return err
	}
	return holds(ctx, e.store, "a", "1")
}
