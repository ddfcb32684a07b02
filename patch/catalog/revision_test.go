package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A change fails if the definition that it replaces cannot be kept as a revision.
func TestChangeFailsIfRevisionCannotBeKept(t *testing.T) {
	ctx := t.Context()
	s := newPicky(memstore.New())
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	before := cat.Software().ETag()
	s.failPut.Store("history")
	_, addErr := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil)
	_, replaceErr := cat.Replace(ctx, "App", definition("App", "9"), nil)
	for name, err := range map[string]error{"add": addErr, "replace": replaceErr} {
		if !errors.Is(err, catalog.ErrUnavailable) || !errors.Is(err, errStopped) {
			t.Errorf("%s: %v, want ErrUnavailable and its cause", name, err)
		}
	}
	for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
		if got := versions(t, cat, "App"); !cmp.Equal(got, []string{"1"}) || cat.Software().ETag() != before {
			t.Errorf("the title has changed: its versions are %q", got)
		}
	}
	s.failPut.Store("")
	add(t, cat, "App", "2")
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 2 {
		t.Errorf("the history is %+v, %v; want 2 revisions", all, err)
	}
}

// Whichever write is the last before the process is killed, the history has every earlier revision that it should keep.
func TestNoRevisionIsLost(t *testing.T) {
	ctx := t.Context()
	const history, changes = 3, 8
	for n := int64(0); ; n++ {
		inner := memstore.New()
		s := &stopping{Store: unwatched{inner}}
		s.left.Store(1 << 60)
		opts := &catalog.Options{History: history}
		cat := open(t, s, opts)
		create(t, cat, "App", "1")
		s.left.Store(n)
		acknowledged := 1
		for v := 2; v <= changes; v++ {
			versions := []patch.Patch{version(fmt.Sprint(v))}
			if _, err := cat.AddVersions(ctx, "App", patch.Position{}, versions, nil); err != nil {
				break
			}
			acknowledged = v
		}
		_ = cat.Close()

		cat = open(t, unwatched{inner}, opts)
		all, err := cat.History(ctx, "App")
		if err != nil {
			t.Fatal(err)
		}
		current := int(all[0].Number)
		if current < acknowledged {
			t.Errorf("after %d writes: change %d has succeeded, and the title is at %d", n, acknowledged, current)
		}
		if want := min(current, history+1); len(all) != want {
			t.Errorf("after %d writes: %d revisions are listed, want %d", n, len(all), want)
		}
		for _, e := range all {
			if d, err := cat.Revision(ctx, "App", e.Number); err != nil || len(d.Patches) != int(e.Number) {
				t.Errorf("after %d writes: revision %d of %d: %v", n, e.Number, current, err)
			}
		}
		// The next changes delete revisions that are left over.
		add(t, cat, "App", "x")
		add(t, cat, "App", "y")
		if got := records(t, inner, "history"); got > history {
			t.Errorf("after %d writes: %d revisions are in the store, want at most %d", n, got, history)
		}
		if acknowledged == changes {
			if n < 10 {
				t.Errorf("all changes took only %d writes", n)
			}
			return
		}
	}
}

// History reads one record, because the title's record has an index of its revisions. If an older version wrote the
// record, the revisions are read once.
func TestHistoryReadsOneRecord(t *testing.T) {
	ctx := t.Context()
	s := newPicky(memstore.New())
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	for v := 2; v <= 21; v++ {
		add(t, cat, "App", fmt.Sprint(v))
	}
	history := func(cat *catalog.Catalog) (all []catalog.Revision, reads int64) {
		before := s.gets.Load()
		all, err := cat.History(ctx, "App")
		if err != nil {
			t.Fatal(err)
		}
		return all, s.gets.Load() - before
	}
	want, reads := history(cat)
	if len(want) != 21 || reads != 1 {
		t.Errorf("%d revisions, %d reads", len(want), reads)
	}

	unindex(t, s, "app")
	cat = open(t, s, nil)
	got, slow := history(cat)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without an index: %s", diff)
	}
	got, reads = history(cat)
	if diff := cmp.Diff(want, got); diff != "" || slow < 20 || reads != 1 {
		t.Errorf("%d reads, then %d; %s", slow, reads, diff)
	}
	if got := records(t, s, "history"); got != 20 {
		t.Errorf("%d revisions are in the store", got)
	}

	unindex(t, s, "app")
	cat = open(t, s, nil)
	add(t, cat, "App", "22") // a change also makes the index
	if got, reads := history(cat); len(got) != 21 || got[20].Version != "2" || reads != 1 {
		t.Errorf("after a change: %d revisions, %d reads", len(got), reads)
	}
	unindex(t, s, "app")
	if err := open(t, s, nil).Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return records(t, s, "history") == 0 })
}

// unindex changes a title's record to one that a version without an index of revisions wrote.
func unindex(t *testing.T, s store.Store, key string) {
	t.Helper()
	r, err := s.Get(t.Context(), store.Key{Kind: "titles", ID: key})
	if err != nil {
		t.Fatal(err)
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(r.Value, &head); err != nil {
		t.Fatal(err)
	}
	definition := head["definition"]
	delete(head, "definition")
	delete(head, "editions")
	delete(head, "oldest")
	head["format"] = json.RawMessage("1")
	value, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	value = append(value[:len(value)-1], `,"definition":`...)
	value = append(append(value, definition...), '}')
	if _, err := s.Put(t.Context(), r.Key, value, store.IfRevision(r.Revision)); err != nil {
		t.Fatal(err)
	}
}

// The history of a title is bounded by Options.HistoryBytes, and has at least one earlier revision.
func TestHistoryBytes(t *testing.T) {
	ctx := t.Context()
	large := func(v string, bytes int) *patch.Definition {
		d := definition("App", v)
		d.Requirements[0].Value = strings.Repeat("x", bytes)
		return d
	}
	for _, c := range []struct {
		name  string
		bound int64
		sizes []int
		want  string // the versions of the earlier revisions
	}{
		{"all fit", 1 << 20, []int{1000, 1000, 1000}, "3 2 1"},
		{"the oldest is dropped", 3500, []int{1000, 1000, 1000}, "3 2"},
		{"one that is larger than the limit stays", 500, []int{1000, 1000, 1000}, "3"},
		{"a large one drops the others", 5000, []int{100, 100, 4500}, "3"},
		{"no limit", -1, []int{10000, 10000, 10000}, "3 2 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, &catalog.Options{HistoryBytes: c.bound})
			if _, err := cat.Create(ctx, large("1", c.sizes[0]), nil); err != nil {
				t.Fatal(err)
			}
			for i, size := range append(c.sizes[1:], 10) {
				if _, err := cat.Replace(ctx, "App", large(fmt.Sprint(i+2), size), nil); err != nil {
					t.Fatal(err)
				}
			}
			all, err := cat.History(ctx, "App")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range all[1:] {
				got = append(got, e.Version)
			}
			if strings.Join(got, " ") != c.want || records(t, s, "history") != len(got) {
				t.Errorf("the history has %q, want %q; the store has %d", got, c.want, records(t, s, "history"))
			}
			var bytes int64
			for r := range s.List(ctx, "history") {
				var e struct{ Definition json.RawMessage }
				if err := json.Unmarshal(r.Value, &e); err != nil {
					t.Fatal(err)
				}
				bytes += int64(len(e.Definition))
			}
			doc, err := cat.Definition(ctx, "App")
			if err != nil {
				t.Fatal(err)
			}
			bytes += int64(len(doc.Bytes()))
			for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
				if title, _ := cat.Title("App"); title.Bytes != bytes {
					t.Errorf("the title takes %d bytes, want %d", title.Bytes, bytes)
				}
			}
		})
	}
}

// Revisions that could not be deleted when the history dropped them are deleted by a later change.
func TestOldRevisionsAreDeletedLater(t *testing.T) {
	s := newPicky(memstore.New())
	cat := open(t, s, &catalog.Options{History: 2})
	create(t, cat, "App", "1")
	s.failDelete.Store("history")
	for v := 2; v <= 9; v++ {
		add(t, cat, "App", fmt.Sprint(v))
	}
	if got := records(t, s, "history"); got != 8 {
		t.Errorf("%d revisions are in the store", got)
	}
	s.failDelete.Store("")
	cat = open(t, s, &catalog.Options{History: 2})
	add(t, cat, "App", "10")
	if got := records(t, s, "history"); got != 2 {
		t.Errorf("%d revisions are left, want 2", got)
	}
}

// A corrupt revision does not keep the others from being read.
func TestCorruptRevision(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat := open(t, s, nil)
	title := create(t, cat, "App", "1")
	add(t, cat, "App", "2")
	add(t, cat, "App", "3")
	key := store.Key{Kind: "history", ID: title.UID + "/0000000001"}
	if _, err := s.Put(ctx, key, []byte(`{`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Revision(ctx, "App", 1); !errors.Is(err, catalog.ErrNoRevision) {
		t.Errorf("%v, want ErrNoRevision", err)
	}
	if _, err := cat.Revision(ctx, "App", 2); err != nil {
		t.Errorf("another revision: %v", err)
	}
	unindex(t, s, "app")
	if all, err := open(t, s, nil).History(ctx, "App"); err != nil || len(all) != 2 {
		t.Errorf("the history is %+v, %v; want 2 revisions", all, err)
	}
}

// A revision that was kept for a failed change is deleted with its title.
func TestDeletedTitleLeavesNoRevision(t *testing.T) {
	ctx := t.Context()
	s := newPicky(memstore.New())
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	s.failPut.Store("titles")
	if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil); err == nil {
		t.Fatal("AddVersions returned no error")
	}
	if n := records(t, s, "history"); n != 1 {
		t.Fatalf("%d revisions were kept for a change, want 1", n)
	}
	s.failPut.Store("")
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if n := records(t, s, "history"); n != 0 {
		t.Errorf("%d revisions are left over", n)
	}
}

// addVersions adds the versions from 2 to last to App, each by the token "t" and the version.
func addVersions(t *testing.T, cat *catalog.Catalog, last int) {
	t.Helper()
	for v := 2; v <= last; v++ {
		next, by := []patch.Patch{version(fmt.Sprint(v))}, &catalog.EditOptions{By: fmt.Sprint("t", v)}
		if _, err := cat.AddVersions(t.Context(), "App", patch.Position{}, next, by); err != nil {
			t.Fatal(err)
		}
	}
}

// The history has the newest revisions, each with its maker, and their definitions can be read, also after a restart.
func TestHistory(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat := open(t, s, &catalog.Options{History: 5})
	create(t, cat, "App", "1")
	addVersions(t, cat, 40)
	if n := records(t, s, "history"); n < 5 || n > 13 {
		t.Errorf("%d revisions are in the store, want about 5", n)
	}
	cat = open(t, s, &catalog.Options{History: 5})
	all, err := cat.History(ctx, "app")
	if err != nil || len(all) != 6 {
		t.Fatalf("%d revisions, %v; want 6", len(all), err)
	}
	last := time.Now().Add(time.Hour)
	for i, got := range all {
		v := fmt.Sprint(40 - i)
		if got.At.IsZero() || got.At.After(last) {
			t.Errorf("revision %d has the time %v, the one after it %v", i, got.At, last)
		}
		last = got.At
		want := catalog.Revision{Number: uint64(40 - i), At: got.At, By: "t" + v, Version: v, Current: i == 0}
		if got != want {
			t.Errorf("revision %d is %+v, want %+v", i, got, want)
		}
		d, err := cat.Revision(ctx, "App", got.Number)
		if err != nil || d.CurrentVersion != v || len(d.Patches) != 40-i {
			t.Errorf("the definition of revision %d is %v, %v", i, d, err)
		}
	}
	for _, n := range []uint64{0, 1, 41, 1 << 63} {
		if _, err := cat.Revision(ctx, "App", n); !errors.Is(err, catalog.ErrNoRevision) {
			t.Errorf("revision %d: error %v, want ErrNoRevision", n, err)
		}
	}
}

// An edit can restore an earlier revision. The restored definition is a new revision.
func TestRestoreRevision(t *testing.T) {
	ctx := t.Context()
	cat := open(t, memstore.New(), nil)
	create(t, cat, "App", "1")
	addVersions(t, cat, 5)
	d, err := cat.Revision(ctx, "App", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Replace(ctx, "App", d, nil); err != nil {
		t.Fatal(err)
	}
	if title, _ := cat.Title("App"); title.CurrentVersion != "2" {
		t.Errorf("the current version is %s, want 2", title.CurrentVersion)
	}
	if all, err := cat.History(ctx, "App"); err != nil || all[0].Number != 6 || all[1].Version != "5" {
		t.Errorf("the history is %+v, %v", all, err)
	}
}

// A title that is created with the id of a deleted one has a history of its own.
func TestHistoryOfLaterTitle(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	addVersions(t, cat, 5)
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.History(ctx, "App"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the history of the deleted title: error %v, want ErrNotFound", err)
	}
	create(t, cat, "App", "1")
	eventually(t, func() bool { return records(t, s, "history") == 0 })
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 1 || all[0].Number != 1 {
		t.Errorf("the history of the new title is %+v, %v", all, err)
	}
}
