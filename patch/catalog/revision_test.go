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

// large returns a definition with a text of some bytes that differs from that of any other version.
func large(v string, bytes int) *patch.Definition {
	d := definition("App", v)
	d.Requirements[0].Value = strings.Repeat(v, bytes/len(v))
	return d
}

// A change fails if the definition that it replaces is to be kept as a revision of its own and cannot be.
func TestChangeFailsIfRevisionCannotBeKept(t *testing.T) {
	ctx := t.Context()
	s := newPicky(memstore.New())
	cat := open(t, s, nil)
	if _, err := cat.Create(ctx, large("1", 3000), nil); err != nil {
		t.Fatal(err)
	}
	before := cat.Software().ETag()
	s.failPut.Store("history")
	_, editErr := cat.Edit(ctx, "App", func(d *patch.Definition) error {
		d.Requirements = large("2", 3000).Requirements
		return nil
	}, nil)
	_, replaceErr := cat.Replace(ctx, "App", large("9", 3000), nil)
	for name, err := range map[string]error{"edit": editErr, "replace": replaceErr} {
		if !errors.Is(err, catalog.ErrUnavailable) || !errors.Is(err, errStopped) {
			t.Errorf("%s: %v, want ErrUnavailable and its cause", name, err)
		}
	}
	for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
		if got := versions(t, cat, "App"); !cmp.Equal(got, []string{"1"}) || cat.Software().ETag() != before {
			t.Errorf("the title has changed: its versions are %q", got)
		}
	}
	add(t, cat, "App", "2") // the difference is small
	s.failPut.Store("")
	if _, err := cat.Replace(ctx, "App", large("9", 3000), nil); err != nil {
		t.Fatal(err)
	}
	if all, err := cat.History(ctx, "App"); err != nil || len(all) != 3 || records(t, s, "history") != 1 {
		t.Errorf("the history is %+v, %v, %d records; want 3 revisions, 2 of them in a record",
			all, err, records(t, s, "history"))
	}
}

// Whichever write is the last before the process is killed, the history has every earlier revision that it should keep.
func TestNoRevisionIsLost(t *testing.T) {
	ctx := t.Context()
	const history, changes = 40, 50
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
		for i := range 9 {
			add(t, cat, "App", fmt.Sprint("x", i))
		}
		if got := records(t, inner, "history"); got > 5 {
			t.Errorf("after %d writes: %d records of revisions are in the store, want at most 5", n, got)
		}
		if acknowledged == changes {
			if n < changes {
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

	writeOld(t, cat, 1)
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

	writeOld(t, cat, 1)
	cat = open(t, s, nil)
	add(t, cat, "App", "22") // a change also makes the index
	if got, reads := history(cat); len(got) != 21 || got[20].Version != "2" || reads != 1 {
		t.Errorf("after a change: %d revisions, %d reads", len(got), reads)
	}
	writeOld(t, cat, 1)
	if err := open(t, s, nil).Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return records(t, s, "history") == 0 })
}

// writeOld closes a catalog and writes the record of App, and its revisions, as an older version did, in a format.
func writeOld(t *testing.T, cat *catalog.Catalog, format int) {
	t.Helper()
	_ = cat.Close()
	if err := catalog.WriteOld(t.Context(), cat, "App", format); err != nil {
		t.Fatal(err)
	}
}

// The history of a title is bounded by Options.HistoryBytes, and has at least one earlier revision.
func TestHistoryBytes(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name    string
		bound   int64
		sizes   []int
		want    string // the versions of the earlier revisions
		records int    // that these have
	}{
		{"all fit", 1 << 20, []int{1000, 1000, 1000}, "3 2 1", 3},
		{"the oldest is dropped", 3500, []int{1000, 1000, 1000}, "3 2", 2},
		{"one that is larger than the limit stays", 500, []int{1000, 1000, 1000}, "3", 1},
		{"a large one drops others", 6000, []int{1500, 1500, 4500}, "3", 1},
		{"those in one record stay together", 4000, []int{100, 100, 4500}, "3 2 1", 1},
		{"differences alone", 600, []int{100, 100, 100, 100, 100}, "5 4 3", 0},
		{"no limit", -1, []int{10000, 10000, 10000}, "3 2 1", 3},
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
			if n := records(t, s, "history"); strings.Join(got, " ") != c.want || n != c.records {
				t.Errorf("the history has %q, want %q; %d records, want %d", got, c.want, n, c.records)
			}
			var bytes int64
			for _, kind := range []string{"history", "titles"} {
				for r := range s.List(ctx, kind) {
					var e struct {
						Definition      json.RawMessage
						Earlier, Recent []struct{ Difference json.RawMessage }
					}
					if err := json.Unmarshal(r.Value, &e); err != nil {
						t.Fatal(err)
					}
					bytes += int64(len(e.Definition))
					for _, one := range append(e.Earlier, e.Recent...) {
						bytes += int64(len(one.Difference))
					}
				}
			}
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
	cat := open(t, s, &catalog.Options{History: 40})
	create(t, cat, "App", "1")
	s.failDelete.Store("history")
	addVersions(t, cat, 150)
	if got := records(t, s, "history"); got < 16 {
		t.Errorf("%d records of revisions are in the store, want at least 16", got)
	}
	s.failDelete.Store("")
	cat = open(t, s, &catalog.Options{History: 40})
	add(t, cat, "App", "151")
	if got := records(t, s, "history"); got > 6 {
		t.Errorf("%d records of revisions are left, want at most 6", got)
	}
}

// A corrupt record of revisions does not keep others from being read. It has at most eight.
func TestCorruptRevision(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat := open(t, s, &catalog.Options{History: 60})
	title := create(t, cat, "App", "1")
	addVersions(t, cat, 50)
	damage := func(n int) {
		key := store.Key{Kind: "history", ID: fmt.Sprintf("%s/%010d", title.UID, n)}
		if _, err := s.Put(ctx, key, []byte(`{`), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	damage(9)
	for n := range uint64(50) {
		_, err := cat.Revision(ctx, "App", n+1)
		lost := n >= 1 && n < 9
		if lost != errors.Is(err, catalog.ErrNoRevision) || !lost && err != nil {
			t.Errorf("revision %d: %v, want ErrNoRevision for 2 to 9", n+1, err)
		}
	}
	_ = cat.Close()

	s = memstore.New()
	cat = open(t, s, nil)
	title = create(t, cat, "App", "1")
	addVersions(t, cat, 3)
	writeOld(t, cat, 1)
	damage(1)
	if all, err := open(t, s, nil).History(ctx, "App"); err != nil || len(all) != 2 {
		t.Errorf("the history is %+v, %v; want 2 revisions", all, err)
	}
}

// A revision that was kept for a failed change is deleted with its title.
func TestDeletedTitleLeavesNoRevision(t *testing.T) {
	ctx := t.Context()
	s := newPicky(memstore.New())
	cat := open(t, s, nil)
	if _, err := cat.Create(ctx, large("1", 3000), nil); err != nil {
		t.Fatal(err)
	}
	s.failPut.Store("titles")
	if _, err := cat.Replace(ctx, "App", large("2", 3000), nil); err == nil {
		t.Fatal("Replace returned no error")
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

// The histories that older versions wrote are read, and go on in the new form.
func TestOldHistory(t *testing.T) {
	ctx := t.Context()
	for _, format := range []int{1, 2} {
		s := memstore.New()
		cat := open(t, s, nil)
		create(t, cat, "App", "1")
		addVersions(t, cat, 14)
		want, err := cat.History(ctx, "App")
		if err != nil {
			t.Fatal(err)
		}
		writeOld(t, cat, format)
		if n := records(t, s, "history"); n != 13 {
			t.Fatalf("format %d: %d records of revisions, want 13", format, n)
		}
		cat = open(t, s, nil)
		got, err := cat.History(ctx, "App")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("format %d: %v, %s", format, err, diff)
		}
		for v := 15; v <= 50; v++ {
			add(t, cat, "App", fmt.Sprint(v))
			all, err := cat.History(ctx, "App")
			if err != nil || len(all) != min(v, 21) {
				t.Fatalf("format %d: %d revisions at %d, %v", format, len(all), v, err)
			}
			for _, e := range all {
				d, err := cat.Revision(ctx, "App", e.Number)
				if err != nil || d.CurrentVersion != e.Version || len(d.Patches) != int(e.Number) {
					t.Fatalf("format %d: revision %d at %d: %v", format, e.Number, v, err)
				}
			}
		}
		if n := records(t, s, "history"); n > 4 {
			t.Errorf("format %d: %d records of revisions are left, want at most 4", format, n)
		}
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
	if n := records(t, s, "history"); n != 0 {
		t.Errorf("%d records of revisions, want none: the title's record has them all", n)
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
