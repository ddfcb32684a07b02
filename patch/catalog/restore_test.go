package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func yields(defs ...*patch.Definition) iter.Seq2[*patch.Definition, error] {
	return func(yield func(*patch.Definition, error) bool) {
		for _, d := range defs {
			if d == nil {
				yield(nil, errBroken)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

var errBroken = errors.New("a broken member")

// state says which versions of which titles there are.
func state(cat *catalog.Catalog) string {
	var all []string
	for t := range cat.Find(catalog.Filter{}) {
		all = append(all, t.ID+" "+t.CurrentVersion)
	}
	return strings.Join(all, ", ")
}

func TestRestore(t *testing.T) {
	const before = "A 1, B 1, Synced 1"
	for _, c := range []struct {
		name string
		mode catalog.RestoreMode
		defs []*patch.Definition
		err  error
		want string // the titles afterwards
		says string // what is answered
	}{
		{"merge", catalog.RestoreMerge, []*patch.Definition{definition("a", "2", "1"), definition("C", "1")}, nil, "A 2, B 1, C 1, Synced 1", "A C"},
		{"replace", catalog.RestoreReplace, []*patch.Definition{definition("A", "2", "1"), definition("C", "1")}, nil, "A 2, C 1, Synced 1", "A C"},
		{"the same", catalog.RestoreMerge, []*patch.Definition{definition("A", "1")}, nil, before, "A"},
		{"what follows a source", catalog.RestoreReplace, []*patch.Definition{definition("A", "1"), definition("B", "1"), definition("Synced", "9")}, nil, before, "A B Synced(https://example.com)"},
		{"nothing, in the place of all", catalog.RestoreReplace, nil, nil, "Synced 1", ""},
		{"onto titles", catalog.RestoreEmpty, []*patch.Definition{definition("C", "1")}, catalog.ErrNotEmpty, before, ""},
		{"twice", catalog.RestoreMerge, []*patch.Definition{definition("C", "1"), definition("A", "2"), definition("c", "2")}, catalog.ErrExists, before, ""},
		{"what is invalid", catalog.RestoreMerge, []*patch.Definition{definition("C", "1"), definition("A", "2"), definition("D")}, patch.ErrInvalid, before, ""},
		{"what breaks off", catalog.RestoreReplace, []*patch.Definition{definition("C", "1"), definition("A", "2"), nil}, errBroken, before, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			s := solitary{memstore.New()}
			cat := open(t, s, nil)
			create(t, cat, "A", "1")
			create(t, cat, "B", "1")
			if _, err := cat.Create(ctx, definition("Synced", "1"), &catalog.CreateOptions{Follows: "https://example.com"}); err != nil {
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
				t.Errorf("it says %v", says)
			}
			for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
				if got := state(cat); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
				if strings.Contains(c.want, "A ") && uid(cat) != owner {
					t.Error("a title that was there has another UID: its tokens open it no more")
				}
			}
			if n := records(t, s, "commits"); n != 0 {
				t.Errorf("%d records of restores are left", n)
			}
			for rec := range s.List(ctx, "titles") {
				if strings.Contains(string(rec.Value), "staged") {
					t.Errorf("staged: %s", rec.Value)
				}
			}
			if strings.Contains(c.want, "A 2") {
				if h, err := cat.History(ctx, "A"); err != nil || len(h) != 2 || h[0].By != "admin" {
					t.Errorf("%+v, %v", h, err)
				}
			}
		})
	}
}

// A stopping store fails from a number of writes on, as if the process was killed.
type stopping struct {
	store.Store
	left atomic.Int64
}

var errStopped = errors.New("stopped")

// Put implements store.Store.
func (s *stopping) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if s.left.Add(-1) < 0 {
		return "", errStopped
	}
	return s.Store.Put(ctx, key, value, cond)
}

// Delete implements store.Store.
func (s *stopping) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if s.left.Add(-1) < 0 {
		return errStopped
	}
	return s.Store.Delete(ctx, key, cond)
}

// Wherever a restore is killed, the next start finds all of it or nothing.
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
		s := &stopping{Store: solitary{inner}}
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
		cat = open(t, solitary{inner}, nil)
		got := state(cat)
		if got != nothing && got != all {
			t.Errorf("after %d writes: %q", n, got)
		}
		seen[got]++
		if err == nil {
			if got != all {
				t.Errorf("acknowledged, and %q is there", got)
			}
			break
		}
		// Nothing is left that keeps anybody from trying again.
		if _, err := cat.Restore(ctx, yields(defs...), &catalog.RestoreOptions{Mode: catalog.RestoreReplace}); err != nil ||
			state(cat) != all {
			t.Errorf("after %d writes, once more: %v, %q", n, err, state(cat))
		}
		_ = cat.Close()
	}
	if seen[nothing] < 5 || seen[all] < 5 {
		t.Errorf("%v: the kills were not before and after", seen)
	}
}

// While a restore is under way nobody changes titles, and everybody reads.
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
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cat.Definition(ctx, "A"); err != nil || state(cat) != "A 1" {
		t.Errorf("%v, %q", err, state(cat))
	}
	close(goOn)
	group.Wait()
	if state(cat) != "A 1, B 1" {
		t.Errorf("%q", state(cat))
	}
	create(t, cat, "C", "1")
}

// What a restore changes is told as any other change is.
func TestRestoreIsTold(t *testing.T) {
	told := &courier{}
	cat := open(t, memstore.New(), &catalog.Options{Couriers: []catalog.Courier{told}})
	create(t, cat, "A", "1")
	create(t, cat, "B", "1")
	var mu sync.Mutex
	var events []string
	cat.Subscribe(func(e catalog.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, fmt.Sprint(e.Kind, e.Title.ID))
	})
	if _, err := cat.Restore(t.Context(), yields(definition("A", "2"), definition("C", "1")), &catalog.RestoreOptions{Mode: catalog.RestoreReplace}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(told.told()) == 5 })
	slices.Sort(events)
	if fmt.Sprint(events) != "[createdC deletedB updatedA]" {
		t.Errorf("%v", events)
	}
}

// A failing store fails one write, and goes on.
type hiccup struct {
	store.Store
	left atomic.Int64
}

// Put implements store.Store.
func (s *hiccup) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if s.left.Add(-1) == 0 {
		return "", errStopped
	}
	return s.Store.Put(ctx, key, value, cond)
}

// One write that fails, wherever, leaves nothing half restored: not now, not after an
// edit, not after the next start.
func TestRestoreWithAHiccup(t *testing.T) {
	ctx := t.Context()
	const nothing, all = "A 1, B 1", "A 2, B 2, C 2"
	for n := int64(1); n < 14; n++ {
		inner := memstore.New()
		s := &hiccup{Store: solitary{inner}}
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
		after := state(open(t, solitary{inner}, nil))
		if after != nothing && after != all || err == nil && after != all {
			t.Errorf("write %d failed: %q (%v)", n, after, err)
		}
	}
}
