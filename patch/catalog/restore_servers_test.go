package catalog_test

import (
	"bytes"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// restoring returns definitions of the titles App and New, and calls f before each of them.
func restoring(f func(n int)) iter.Seq2[*patch.Definition, error] {
	return func(yield func(*patch.Definition, error) bool) {
		for i, id := range []string{"App", "New"} {
			f(i)
			if !yield(definition(id, "2", "1"), nil) {
				return
			}
		}
		f(2)
	}
}

// A restore whose server dies is undone by another server if it was not committed, and finished if it was, without
// another change.
func TestRestoreOfADeadServer(t *testing.T) {
	for _, committed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			shared := memstore.New()
			dies := &mortal{Store: shared}
			here := open(t, shared, nil)
			there := open(t, dies, nil)
			create(t, here, "App")
			create(t, here, "Old")
			time.Sleep(time.Second)
			die := func(n int) {
				synctest.Wait()
				dies.dead.Store(n == 2)
			}
			if committed {
				die = func(int) {}
				dies.after = func(k store.Key, v []byte) {
					if bytes.Contains(v, []byte(`"committed":true`)) {
						dies.dead.Store(true)
					}
				}
			}
			_, err := there.Restore(ctx, restoring(die), &catalog.RestoreOptions{Mode: catalog.RestoreReplace})
			if !errors.Is(err, catalog.ErrUnavailable) {
				t.Fatalf("the restore that dies: %v, want ErrUnavailable", err)
			}
			synctest.Wait()
			if err := here.Delete(ctx, "App", &catalog.EditOptions{IfMatch: "x"}); !committed &&
				!errors.Is(err, catalog.ErrUnavailable) {
				t.Errorf("a change while the restore is not settled: %v, want ErrUnavailable", err)
			}
			time.Sleep(40 * time.Second)
			want := "App 1, Old 1"
			if committed {
				want = "App 2, New 2"
			}
			if got := state(here); got != want {
				t.Errorf("the titles are %q, want %q", got, want)
			}
			checkNothingStaged(t, shared)
			if _, err := here.Create(ctx, definition("New", "3"), nil); committed == (err == nil) {
				t.Errorf("creation of a title that was staged: %v", err)
			}
		})
	}
}

// A restore that takes long is left alone. Other servers refuse changes meanwhile, and then accept them at once.
func TestLongRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		skewed := func() time.Time { return time.Now().Add(5 * time.Hour) }
		here, there := open(t, shared, &catalog.Options{Now: skewed}), open(t, shared, nil)
		create(t, here, "App")
		create(t, here, "Free")
		time.Sleep(time.Second)
		wait := func(n int) {
			time.Sleep(5 * time.Minute)
			_, err := here.AddVersions(t.Context(), "Free", patch.Position{}, []patch.Patch{version("9")}, nil)
			if !errors.Is(err, catalog.ErrUnavailable) {
				t.Errorf("a change elsewhere before definition %d: %v, want ErrUnavailable", n, err)
			}
		}
		opts := &catalog.RestoreOptions{Mode: catalog.RestoreMerge}
		if _, err := there.Restore(t.Context(), restoring(wait), opts); err != nil {
			t.Fatal(err)
		}
		add(t, here, "App", "3")
		add(t, there, "Free", "3")
		time.Sleep(time.Minute)
		for _, c := range []*catalog.Catalog{here, there} {
			if got := state(c); got != "App 3, Free 3, New 2" {
				t.Errorf("the titles are %q", got)
			}
		}
		checkNothingStaged(t, shared)
	})
}

// A restore whose server was suspended for too long has changed nothing.
func TestSuspendedRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		here, paused := open(t, shared, nil), &mortal{Store: shared}
		there := open(t, paused, nil)
		create(t, here, "App")
		time.Sleep(time.Second)
		suspend := func(n int) {
			if n == 1 {
				synctest.Wait()
				paused.dead.Store(true)
				time.Sleep(time.Minute)
				add(t, here, "App", "1.5")
				paused.dead.Store(false)
			}
		}
		opts := &catalog.RestoreOptions{Mode: catalog.RestoreMerge}
		_, err := there.Restore(t.Context(), restoring(suspend), opts)
		if !errors.Is(err, catalog.ErrUnavailable) || !strings.Contains(err.Error(), "took this one for dead") {
			t.Errorf("the restore: %v, want an ErrUnavailable that says why", err)
		}
		time.Sleep(time.Minute)
		for _, c := range []*catalog.Catalog{here, there} {
			if got := state(c); got != "App 1.5" {
				t.Errorf("the titles are %q, want App 1.5", got)
			}
		}
		checkNothingStaged(t, shared)
	})
}

// If the record of a restore becomes corrupt, and its server has died, changes are refused with an error that tells the
// way out: to delete the record. The restore is then undone. A server that is started later says the same.
func TestCorruptRecordOfARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		shared := memstore.New()
		dies := &mortal{Store: shared}
		here, there := open(t, shared, nil), open(t, dies, nil)
		create(t, here, "App")
		time.Sleep(time.Second)
		merge := &catalog.RestoreOptions{Mode: catalog.RestoreMerge}
		_, err := there.Restore(ctx, restoring(func(n int) {
			synctest.Wait()
			dies.dead.Store(n == 2)
		}), merge)
		if !errors.Is(err, catalog.ErrUnavailable) {
			t.Fatalf("the restore that dies: %v, want ErrUnavailable", err)
		}
		var key store.Key
		for r, err := range shared.List(ctx, "commits") {
			if err != nil {
				t.Fatal(err)
			}
			key = r.Key
		}
		if _, err := shared.Put(ctx, key, []byte("{"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		later := open(t, shared, nil)
		explained := func(what string, err error) {
			t.Helper()
			want := key.String() + ", cannot be read: make sure that no server is restoring, delete this record from " +
				"the store, and repeat the restore in the mode replace or merge"
			if !errors.Is(err, catalog.ErrUnavailable) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want ErrUnavailable that says %q", what, err, want)
			}
		}
		_, err = here.Create(ctx, definition("Other", "1"), nil)
		explained("a change", err)
		explained("a change at a server that was started later", later.Delete(ctx, "App", nil))
		_, err = later.Restore(ctx, yields(definition("X", "1")), merge)
		explained("a restore", err)
		explained("a backup", here.WithoutRestore(func() error { return nil }))
		if err := shared.Delete(ctx, key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		create(t, here, "Other")
		if got := state(here); got != "App 1, Other 1" {
			t.Errorf("the titles are %q after the record is deleted", got)
		}
		if _, err := later.Restore(ctx, restoring(func(int) {}), merge); err != nil {
			t.Errorf("the restore is repeated: %v", err)
		}
		time.Sleep(time.Second)
		if got := state(here); got != "App 2, New 2, Other 1" {
			t.Errorf("the titles are %q after the restore is repeated", got)
		}
		checkNothingStaged(t, shared)
	})
}

// The record of a restore by an older version, which has no beats, is left alone for an hour.
func TestRestoreOfAnOlderVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		_ = open(t, s, nil)
		key := store.Key{Kind: "commits", ID: "OLD"}
		value := []byte(`{"format":1,"committed":false,"at":"2026-01-01T00:00:00Z"}`)
		if _, err := s.Put(t.Context(), key, value, store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		if n := records(t, s, "commits"); n != 1 {
			t.Errorf("%d records after 59 minutes, want 1", n)
		}
		time.Sleep(2 * time.Minute)
		if n := records(t, s, "commits"); n != 0 {
			t.Errorf("%d records after 61 minutes, want none", n)
		}
	})
}

// Of several servers one restores at a time, and not while another makes a full backup. What other servers have written
// counts, even if the watch has not reported it yet.
func TestRestoresExcludeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		shared := memstore.New()
		here, there := open(t, shared, nil), open(t, shared, nil)
		merge := &catalog.RestoreOptions{Mode: catalog.RestoreMerge}
		busy := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, catalog.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", what, err)
			}
		}
		nothing := func() error { return nil }
		_, err := here.Restore(ctx, restoring(func(n int) {
			_, err := there.Restore(ctx, yields(definition("X", "1")), merge)
			busy("a restore during a restore", err)
			busy("a backup during a restore", there.WithoutRestore(nothing))
		}), merge)
		if err != nil {
			t.Fatal(err)
		}
		err = here.WithoutRestore(func() error {
			time.Sleep(5 * time.Minute)
			_, err := there.Restore(ctx, yields(definition("X", "1")), merge)
			busy("a restore during a backup", err)
			return there.WithoutRestore(nothing)
		})
		if err != nil {
			t.Errorf("two backups at once: %v", err)
		}
		if got := state(there); got != "App 2, New 2" || records(t, shared, "commits") != 0 {
			t.Errorf("the titles are %q, and there are %d records", got, records(t, shared, "commits"))
		}
	})
}

// A restore does not rely on the watch for the titles that other servers have created.
func TestRestoreSeesNewTitles(t *testing.T) {
	s := newScripted() // its watch never reports anything
	here, there := open(t, s, nil), open(t, unwatched{s.Store}, nil)
	create(t, there, "App")
	_, err := here.Restore(t.Context(), yields(definition("New", "1")), nil)
	if !errors.Is(err, catalog.ErrNotEmpty) {
		t.Errorf("a restore into an empty catalog: %v, want ErrNotEmpty", err)
	}
	create(t, there, "Other")
	opts := &catalog.RestoreOptions{Mode: catalog.RestoreReplace}
	if _, err := here.Restore(t.Context(), yields(definition("New", "1")), opts); err != nil {
		t.Fatal(err)
	}
	if got := state(here); got != "New 1" {
		t.Errorf("the titles are %q, want New alone", got)
	}
}
