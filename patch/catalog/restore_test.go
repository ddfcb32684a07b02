package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// checkNothingStaged checks that a restore has left nothing but titles in a store.
func checkNothingStaged(t *testing.T, s store.Store) {
	t.Helper()
	if n := records(t, s, "commits"); n != 0 {
		t.Errorf("%d records of restores are left", n)
	}
	for rec := range s.List(t.Context(), "titles") {
		if strings.Contains(string(rec.Value), "staged") {
			t.Errorf("a definition is still staged: %s", rec.Value)
		}
	}
}

// Restore replaces titles as its mode says, or changes nothing.
func TestRestore(t *testing.T) {
	const before = "A 1, B 1, Synced 1"
	type defs []*patch.Definition
	for _, c := range []struct {
		name string
		mode catalog.RestoreMode
		defs defs
		err  error
		want string // the titles afterwards
		says string // the outcomes
	}{
		{"merge", catalog.RestoreMerge, defs{definition("a", "2", "1"), definition("C", "1")},
			nil, "A 2, B 1, C 1, Synced 1", "A C"},
		{"replace", catalog.RestoreReplace, defs{definition("A", "2", "1"), definition("C", "1")},
			nil, "A 2, C 1, Synced 1", "A C"},
		{"the same", catalog.RestoreMerge, defs{definition("A", "1")}, nil, before, "A"},
		{"a title that follows a source", catalog.RestoreReplace,
			defs{definition("A", "1"), definition("B", "1"), definition("Synced", "9")},
			nil, before, "A B Synced(https://example.com)"},
		{"nothing in place of everything", catalog.RestoreReplace, nil, nil, "Synced 1", ""},
		{"into a catalog with titles", catalog.RestoreEmpty, defs{definition("C", "1")},
			catalog.ErrNotEmpty, before, ""},
		{"an id twice", catalog.RestoreMerge,
			defs{definition("C", "1"), definition("A", "2"), definition("c", "2")}, catalog.ErrExists, before, ""},
		{"an invalid definition", catalog.RestoreMerge,
			defs{definition("C", "1"), definition("A", "2"), definition("D")}, patch.ErrInvalid, before, ""},
		{"a sequence that ends with an error", catalog.RestoreReplace,
			defs{definition("C", "1"), definition("A", "2"), nil}, errBroken, before, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			s := unwatched{memstore.New()}
			cat := open(t, s, nil)
			create(t, cat, "A", "1")
			create(t, cat, "B", "1")
			follows := &catalog.CreateOptions{Follows: "https://example.com"}
			if _, err := cat.Create(ctx, definition("Synced", "1"), follows); err != nil {
				t.Fatal(err)
			}
			uid := func(cat *catalog.Catalog) string { title, _ := cat.Title("A"); return title.UID }
			owner := uid(cat)
			all, err := cat.Restore(ctx, yields(c.defs...), &catalog.RestoreOptions{Mode: c.mode, By: "admin"})
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			var says []string
			for _, r := range all {
				if r.Follows != "" {
					r.ID += "(" + r.Follows + ")"
				}
				says = append(says, r.ID)
			}
			if strings.Join(says, " ") != c.says {
				t.Errorf("the outcomes are %q, want %q", says, c.says)
			}
			for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
				if got := state(cat); got != c.want {
					t.Errorf("the titles are %q, want %q", got, c.want)
				}
				if strings.Contains(c.want, "A ") && uid(cat) != owner {
					t.Error("an existing title has another UID: its tokens are no longer valid")
				}
			}
			checkNothingStaged(t, s)
			if strings.Contains(c.want, "A 2") {
				if h, err := cat.History(ctx, "A"); err != nil || len(h) != 2 || h[0].By != "admin" {
					t.Errorf("the history is %+v, %v", h, err)
				}
			}
		})
	}
}

// If the process is killed during a restore, the next start has all of it or nothing.
func TestRestoreIsAllOrNothing(t *testing.T) {
	ctx := t.Context()
	var defs []*patch.Definition
	for i := range 6 {
		defs = append(defs, definition(fmt.Sprintf("T%d", i), "2", "1"))
	}
	const nothing, all = "Old 1, T0 1, T1 1", "T0 2, T1 2, T2 2, T3 2, T4 2, T5 2"
	seen := map[string]int{}
	for n := int64(0); ; n++ {
		inner := memstore.New()
		s := &stopping{Store: unwatched{inner}}
		s.left.Store(1 << 60)
		cat := open(t, s, nil)
		for _, id := range []string{"Old", "T0", "T1"} {
			create(t, cat, id, "1")
		}
		s.left.Store(n)
		_, err := cat.Restore(ctx, yields(defs...), &catalog.RestoreOptions{Mode: catalog.RestoreReplace})
		_ = cat.Close()
		if err != nil && !errors.Is(err, catalog.ErrUnavailable) {
			t.Fatalf("after %d writes: %v", n, err)
		}
		cat = open(t, unwatched{inner}, nil)
		got := state(cat)
		if got != nothing && got != all {
			t.Errorf("after %d writes, the titles are %q", n, got)
		}
		seen[got]++
		if err == nil {
			if got != all {
				t.Errorf("the restore succeeded, and the titles are %q", got)
			}
			break
		}
		// The restore can be repeated.
		_, err = cat.Restore(ctx, yields(defs...), &catalog.RestoreOptions{Mode: catalog.RestoreReplace})
		if err != nil || state(cat) != all {
			t.Errorf("after %d writes, repeated: error %v, the titles are %q", n, err, state(cat))
		}
		_ = cat.Close()
	}
	if seen[nothing] < 5 || seen[all] < 5 {
		t.Errorf("the outcomes are %v: there are too few kills before or after the commit", seen)
	}
}

// During a restore, titles can be read and cannot be changed.
func TestChangesDuringARestore(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	create(t, cat, "A", "1")
	reached, goOn := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		_, err := cat.Restore(ctx, func(yield func(*patch.Definition, error) bool) {
			yield(definition("B", "1"), nil)
			close(reached)
			<-goOn
		}, &catalog.RestoreOptions{Mode: catalog.RestoreMerge})
		if err != nil {
			t.Error(err)
		}
	})
	<-reached
	for name, err := range map[string]error{
		"create": func() error { _, err := cat.Create(ctx, definition("C", "1"), nil); return err }(),
		"add": func() error {
			_, err := cat.AddVersions(ctx, "A", patch.Position{}, []patch.Patch{version("2")}, nil)
			return err
		}(),
		"delete":  cat.Delete(ctx, "A", nil),
		"reserve": func() error { _, err := cat.Reserve(ctx, definition("D", "1"), nil); return err }(),
		"restore": func() error { _, err := cat.Restore(ctx, yields(), nil); return err }(),
	} {
		if !errors.Is(err, catalog.ErrUnavailable) {
			t.Errorf("%s: error %v, want ErrUnavailable", name, err)
		}
	}
	if _, err := cat.Definition(ctx, "A"); err != nil || state(cat) != "A 1" {
		t.Errorf("during the restore: error %v, the titles are %q", err, state(cat))
	}
	close(goOn)
	group.Wait()
	if state(cat) != "A 1, B 1" {
		t.Errorf("after the restore, the titles are %q", state(cat))
	}
	create(t, cat, "C", "1")
}

// The changes of a restore have events and notices.
func TestRestoreHasEvents(t *testing.T) {
	taken := &courier{}
	cat := open(t, memstore.New(), &catalog.Options{Couriers: []catalog.Courier{taken}})
	create(t, cat, "A", "1")
	create(t, cat, "B", "1")
	var mu sync.Mutex
	var events []string
	cat.Subscribe(func(e catalog.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, fmt.Sprint(e.Kind, e.Title.ID))
	})
	defs := yields(definition("A", "2"), definition("C", "1"))
	if _, err := cat.Restore(t.Context(), defs, &catalog.RestoreOptions{Mode: catalog.RestoreReplace}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(taken.all()) == 5 })
	slices.Sort(events)
	if fmt.Sprint(events) != "[createdC deletedB updatedA]" {
		t.Errorf("the events are %v", events)
	}
}

// Whichever write of a restore fails, the next start has all of it or nothing.
func TestRestoreWithFailingWrite(t *testing.T) {
	ctx := t.Context()
	const nothing, all = "A 1, B 1", "A 2, B 2, C 2"
	for n := int64(1); n < 14; n++ {
		inner := memstore.New()
		s := &hiccup{Store: unwatched{inner}}
		cat := open(t, s, &catalog.Options{History: -1})
		create(t, cat, "A", "1")
		create(t, cat, "B", "1")
		s.left.Store(n)
		_, err := cat.Restore(
			ctx,
			yields(definition("A", "2"), definition("B", "2"), definition("C", "2")),
			&catalog.RestoreOptions{Mode: catalog.RestoreMerge},
		)
		s.left.Store(0)
		_ = cat.Close()
		after := state(open(t, unwatched{inner}, nil))
		if after != nothing && after != all || err == nil && after != all {
			t.Errorf("write %d failed: the titles are %q, the error %v", n, after, err)
		}
	}
}

// The notices of a title are delivered even if the process is killed during a restore of the title.
func TestKilledRestoreKeepsNotices(t *testing.T) {
	ctx := t.Context()
	inner, down := memstore.New(), &courier{fail: true}
	s := &stopping{Store: unwatched{inner}}
	s.left.Store(1 << 60)
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{down}})
	create(t, cat, "App", "1")
	s.left.Store(2) // the record of the restore, and the staged definition
	merge := &catalog.RestoreOptions{Mode: catalog.RestoreMerge}
	if _, err := cat.Restore(ctx, yields(definition("App", "2")), merge); err == nil {
		t.Fatal("Restore returned no error")
	}
	_ = cat.Close()
	taken := &courier{}
	cat = open(t, unwatched{inner}, &catalog.Options{Couriers: []catalog.Courier{taken}})
	eventually(t, func() bool { return len(taken.all()) == 1 })
	if state(cat) != "App 1" {
		t.Errorf("the titles are %q, want App 1", state(cat))
	}
}

// A restore whose context ends while it stages titles does not ask to confirm the deletion of those that it has not
// reached.
func TestRestoreIsCanceledBeforeConfirm(t *testing.T) {
	s := memstore.New()
	cat := open(t, unwatched{s}, nil)
	for _, id := range []string{"App", "B", "C"} {
		create(t, cat, id)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defs := func(yield func(*patch.Definition, error) bool) {
		if !yield(definition("App", "2"), nil) {
			return
		}
		eventually(t, func() bool { return strings.Contains(recordOf(t, s), `"staged"`) })
		cancel()
		_ = yield(definition("B", "2"), nil) && yield(definition("C", "2"), nil)
	}
	_, err := cat.Restore(ctx, defs, &catalog.RestoreOptions{
		Mode: catalog.RestoreReplace,
		Confirm: func(deleted []string) error {
			t.Errorf("asked to delete %v, which the backup has", deleted)
			return nil
		},
	})
	if !errors.Is(err, context.Canceled) || state(cat) != "App 1, B 1, C 1" {
		t.Errorf("%v, titles %s; want context.Canceled and all titles unchanged", err, state(cat))
	}
}
