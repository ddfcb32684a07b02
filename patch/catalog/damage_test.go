package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
)

// A log keeps log lines in memory.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// openFiles opens a filestore in a new directory.
func openFiles(t *testing.T) (s *filestore.Store, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	s, err := filestore.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

// damage changes a byte of a title's file.
func damage(t *testing.T, s *filestore.Store, dir, key string) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "titles", key+".json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// createWithEverything creates the title App with a record that has all members. The definition is in memory then.
func createWithEverything(t *testing.T, cat *catalog.Catalog, fromSource *catalog.EditOptions) catalog.Title {
	t.Helper()
	ctx := t.Context()
	opts := &catalog.CreateOptions{
		Author:      "A",
		Contributor: "c",
		Mailbox:     []byte(`"m"`),
		Account:     "a",
		Follows:     sourceURL,
		By:          "ann",
		Held:        []patch.Patch{version("3")},
	}
	if _, err := cat.Create(ctx, named("App", "App (A)", "1"), opts); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Replace(ctx, "App", definition("App", "2", "1"), fromSource); err != nil {
		t.Fatal(err)
	}
	_, title, err := cat.Load(ctx, "App")
	if err != nil {
		t.Fatal(err)
	}
	return title
}

// A record that becomes corrupt while the catalog is open is written back from memory, with all its members, when it is
// next read.
func TestCorruptRecordIsWrittenBack(t *testing.T) {
	ctx := t.Context()
	fromSource := &catalog.EditOptions{From: sourceURL, Held: []patch.Patch{version("5")}}
	for name, read := range map[string]func(*catalog.Catalog) error{
		"edit": func(cat *catalog.Catalog) error {
			_, err := cat.Replace(ctx, "App", definition("App", "4", "2", "1"), fromSource)
			return err
		},
		"history":  func(cat *catalog.Catalog) error { _, err := cat.History(ctx, "App"); return err },
		"backup":   func(cat *catalog.Catalog) error { return lastError(cat.Definitions(ctx)) },
		"revision": func(cat *catalog.Catalog) error { _, err := cat.Revision(ctx, "App", 1); return err },
		"list, then edit": func(cat *catalog.Catalog) error {
			if err := lastError(cat.Records(ctx)); err != nil { // List sets the file aside
				return err
			}
			_, err := cat.Replace(ctx, "App", definition("App", "4"), fromSource)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := openFiles(t)
			var out log
			cat := open(t, s, &catalog.Options{Logger: out.logger()})
			before := createWithEverything(t, cat, fromSource)
			damage(t, s, dir, "app")
			if err := read(cat); err != nil {
				t.Fatalf("%v; the log: %s", err, out.String())
			}
			if !strings.Contains(out.String(), "written back") || cat.Damaged() != 0 {
				t.Errorf("%d corrupt titles; the log: %s", cat.Damaged(), out.String())
			}
			for _, cat := range []*catalog.Catalog{cat, open(t, s, nil)} {
				after, err := cat.Title("App")
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasSuffix(name, "edit") && after != before {
					t.Error(cmp.Diff(before, after))
				}
				if after.UID != before.UID || after.Mailbox != before.Mailbox || after.Account != "a" ||
					after.From() != sourceURL || after.Held != 1 {
					t.Errorf("the title was %+v and is %+v", before, after)
				}
				if _, err := cat.Revision(ctx, "App", 1); err != nil {
					t.Errorf("the first revision: %v", err)
				}
			}
		})
	}
}

// A title whose record is corrupt, and whose definition is not in memory, leaves the list until it is written again.
// It is counted and logged. Other titles are not affected.
func TestCorruptRecordNotInMemory(t *testing.T) {
	ctx := t.Context()
	for name, read := range map[string]func(*catalog.Catalog) error{
		"definition": func(cat *catalog.Catalog) error { _, err := cat.Definition(ctx, "App"); return err },
		"edit": func(cat *catalog.Catalog) error {
			_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil)
			return err
		},
		"delete": func(cat *catalog.Catalog) error { return cat.Delete(ctx, "App", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := openFiles(t)
			create(t, open(t, s, nil), "App")
			var out log
			cat := open(t, s, &catalog.Options{Logger: out.logger()}) // with no definition in memory
			create(t, cat, "Other")
			damage(t, s, dir, "app")
			if err := read(cat); !errors.Is(err, catalog.ErrUnavailable) || errors.Is(err, catalog.ErrNotFound) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
			if !cat.IsDamaged("App") || cat.IsDamaged("Other") {
				t.Error("IsDamaged does not tell the corrupt title from the other one")
			}
			if cat.Damaged() != 1 || state(cat) != "Other 1" || !strings.Contains(out.String(), "corrupt") {
				t.Errorf("%d corrupt titles, the others are %q; the log: %s", cat.Damaged(), state(cat), out.String())
			}
			for _, err := range cat.Definitions(ctx) {
				if err != nil {
					t.Errorf("Definitions: %v", err)
				}
			}
			create(t, cat, "App", "9")
			if cat.Damaged() != 0 || state(cat) != "App 9, Other 1" {
				t.Errorf("%d corrupt titles, the titles are %q", cat.Damaged(), state(cat))
			}
		})
	}
}

// Concurrent readers and writers that find a corrupt record lose no change.
func TestCorruptRecordAndManyReaders(t *testing.T) {
	ctx := context.Background()
	s, dir := openFiles(t)
	cat := open(t, s, nil)
	create(t, cat, "App", "0")
	for round := range 20 {
		damage(t, s, dir, "app")
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if _, err := cat.History(ctx, "App"); err != nil {
					t.Error(err)
				}
			})
		}
		group.Go(func() { add(t, cat, "App", strings.Repeat("1", round+1)) })
		group.Wait()
	}
	if got := versions(t, cat, "App"); len(got) != 21 || cat.Damaged() != 0 {
		t.Errorf("%d versions, want 21; %d corrupt titles", len(got), cat.Damaged())
	}
}

// A store with a record in a newer format is not opened, and nothing in it is changed.
func TestRecordInNewerFormat(t *testing.T) {
	ctx := t.Context()
	for name, value := range map[string]string{
		"like ours":     `{"format":99,"uid":"x","state":"live","definition":{}}`,
		"unlike ours":   `{"state":{"is":"live"},"format":99}`,
		"no definition": `{"format":5}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, nil)
			create(t, cat, "App")
			_ = cat.Close()
			if _, err := s.Put(ctx, titleRecord("newer"), []byte(value), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			c, err := catalog.Open(ctx, s, nil)
			if err == nil {
				_ = c.Close()
			}
			if !errors.Is(err, store.ErrFormat) {
				t.Fatalf("%v, want ErrFormat", err)
			}
			for _, part := range []string{"titles/newer", "up to 4"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not contain %q", err, part)
				}
			}
			if r, err := s.Get(ctx, titleRecord("newer")); err != nil || string(r.Value) != value {
				t.Errorf("the record is now %s, %v", r.Value, err)
			}
		})
	}
}

// A changing store changes a title while its records are read.
type changing struct {
	store.Store
	change atomic.Pointer[func()] // called before the next revision is read
}

func (s *changing) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if key.Kind == "history" {
		if f := s.change.Swap(nil); f != nil {
			(*f)()
		}
	}
	return s.Store.Get(ctx, key)
}

func (s *changing) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return s.Store.List(ctx, kind)
}

// Records yields a title and its revisions as they were at one moment, also while the title changes.
func TestRecordsAreOneState(t *testing.T) {
	ctx := t.Context()
	s := &changing{Store: memstore.New()}
	cat := open(t, s, &catalog.Options{History: 40})
	create(t, cat, "App", "1")
	create(t, cat, "Other", "1")
	addVersions(t, cat, 70)
	change := func() { // it drops a record of revisions
		for v := range 10 {
			add(t, cat, "App", fmt.Sprint("9.", v))
		}
	}
	s.change.Store(&change)
	to := memstore.New()
	titles := 0
	for r, err := range cat.Records(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Key.Kind == "titles" {
			titles++
		}
		if _, err := to.Put(ctx, r.Key, r.Value, store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	moved := open(t, to, &catalog.Options{History: 40})
	all, err := moved.History(ctx, "App")
	if err != nil || len(all) != 41 || titles != 2 {
		t.Fatalf("%d titles, want 2; the history is %+v, %v", titles, all, err)
	}
	for _, e := range all {
		if _, err := moved.Revision(ctx, "App", e.Number); err != nil {
			t.Errorf("revision %d of %d: %v", e.Number, all[0].Number, err)
		}
	}
	if got := records(t, to, "history"); got < 4 || got > 6 {
		t.Errorf("%d records of revisions, want 4 to 6", got)
	}
}

// A title whose record becomes corrupt while nothing can be written stays listed and served, because Jamf Pro takes a
// missing title for a deleted one. The record is written back as soon as possible.
func TestCorruptRecordThatCannotBeWrittenBackYet(t *testing.T) {
	ctx := t.Context()
	files, dir := openFiles(t)
	s := newPicky(files)
	var out log
	cat := open(t, s, &catalog.Options{Logger: out.logger()})
	create(t, cat, "App", "1")
	if _, err := cat.Definition(ctx, "App"); err != nil {
		t.Fatal(err)
	}
	damage(t, files, dir, "app")
	s.failPut.Store("titles")
	for range 2 {
		_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil)
		if !errors.Is(err, catalog.ErrUnavailable) || errors.Is(err, catalog.ErrNotFound) ||
			errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		if _, err := cat.Definition(ctx, "App"); err != nil || state(cat) != "App 1" || cat.Damaged() != 1 {
			t.Errorf("error %v, the titles are %q, %d of them corrupt", err, state(cat), cat.Damaged())
		}
	}
	s.failPut.Store("")
	add(t, cat, "App", "2")
	if cat.Damaged() != 0 || !strings.Contains(out.String(), "written back") {
		t.Errorf("%d corrupt titles; the log: %s", cat.Damaged(), out.String())
	}
	if again := open(t, s, nil); state(again) != "App 2" {
		t.Errorf("the store has %q, want App 2", state(again))
	}
}

// A full backup contains a title whose file was set aside when it was first read, and which is in memory.
func TestRecordsFromMemory(t *testing.T) {
	ctx := t.Context()
	s, dir := openFiles(t)
	cat := open(t, s, nil)
	create(t, cat, "App", "1")
	create(t, cat, "Other", "1")
	if _, err := cat.Definition(ctx, "App"); err != nil {
		t.Fatal(err)
	}
	damage(t, s, dir, "app")
	var keys []string
	for r, err := range cat.Records(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, r.Key.ID)
	}
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"app", "other"}) {
		t.Errorf("the records are those of %q, want app and other", keys)
	}
}
