package dump_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
)

func put(t *testing.T, s store.Store, name, value string) {
	t.Helper()
	kind, id, _ := strings.Cut(name, "/")
	if _, err := s.Put(t.Context(), store.Key{Kind: kind, ID: id}, []byte(value), store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// contents returns the values of the records of some kinds by their keys.
func contents(t *testing.T, s store.Store, kinds ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, kind := range kinds {
		for r, err := range s.List(t.Context(), kind) {
			if err != nil {
				t.Fatal(err)
			}
			all[r.Key.String()] = string(r.Value)
		}
	}
	return all
}

// write makes a backup of s and returns its members.
func write(t *testing.T, s store.Store, titles iter.Seq2[store.Record, error]) map[string]string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := dump.Write(t.Context(), z, s, titles); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return unzip(t, b.Bytes())
}

func unzip(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		members[f.Name] = string(text)
	}
	return members
}

// load loads a backup that has these members.
func load(t *testing.T, s store.Store, members map[string]string) (records int, err error) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, members[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return dump.Load(t.Context(), s, bytes.NewReader(b.Bytes()), int64(b.Len()), nil)
}

// with returns the members with one more, or another.
func with(members map[string]string, name, text string) map[string]string {
	members = maps.Clone(members)
	members[name] = text
	return members
}

func openCatalog(t *testing.T, s store.Store) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func definition(id string, versions ...string) *patch.Definition {
	yes := true
	d := &patch.Definition{
		ID:        id,
		Name:      id,
		Publisher: "Example",
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: "com.example.app", Type: "recon", And: &yes},
		},
	}
	for _, v := range versions {
		d.Patches = append(d.Patches, patch.Patch{Version: v, ReleaseDate: "2020-01-01T00:00:00Z"})
	}
	return d
}

func create(t *testing.T, c *catalog.Catalog, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := c.Create(t.Context(), definition(id, "1"), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// A backup states its format, and holds epochs and the adopted tokens, but no other configuration.
func TestWrite(t *testing.T) {
	for _, listed := range []bool{false, true} {
		t.Run(fmt.Sprint("listed by Write ", listed), func(t *testing.T) {
			s := memstore.New()
			c := openCatalog(t, s)
			create(t, c, "A")
			for _, text := range []string{"x", "y"} { // so different that a revision has a record of its own
				d := definition("A", "2")
				d.Requirements[0].Value = strings.Repeat(text, 3000)
				if _, err := c.Replace(t.Context(), "A", d, nil); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]string{"epochs/title/x": `{"format":1}`, "config/adopted-tokens": `{"ids":["a"]}`}
			for name, value := range want {
				put(t, s, name, value)
			}
			put(t, s, "config/secret", `1`)
			put(t, s, "leases/work", `{}`)
			put(t, s, "jobs/J", `{"format":1}`)
			titles := c.Records(t.Context())
			if listed {
				titles = nil
			}
			members := write(t, s, titles)
			if got := members["patchsource/format.json"]; strings.TrimSpace(got) != `{"format":3}` {
				t.Errorf("format.json is %q", got)
			}
			if _, ok := members["patchsource/history.ndjson"]; ok {
				t.Error("the revisions have a member of their own")
			}
			to := memstore.New()
			n, err := load(t, to, members)
			if err != nil || n != 4 {
				t.Fatalf("%d records loaded, %v, want 4", n, err)
			}
			if diff := cmp.Diff(want, contents(t, to, "epochs", "config", "leases", "jobs")); diff != "" {
				t.Error(diff)
			}
			moved := contents(t, to, "titles", "history")
			if diff := cmp.Diff(contents(t, s, "titles", "history"), moved); diff != "" || len(moved) != 2 {
				t.Errorf("titles and history: %s", diff)
			}
		})
	}
}

// A backup with watches has format 4, which earlier versions refuse, and so has the store that it is loaded into. The
// watches are written before the titles, so that none remembers a version that its title in the backup lacks.
func TestWriteWatches(t *testing.T) {
	s := memstore.New()
	create(t, openCatalog(t, s), "A")
	put(t, s, "watches/U", `{"format":1}`)
	titles := func(yield func(store.Record, error) bool) {
		put(t, s, "watches/U", `{"format":1,"later":true}`)
		for r, err := range s.List(t.Context(), "titles") {
			if !yield(r, err) {
				return
			}
		}
	}
	members := write(t, s, titles)
	if got := members[formatMember]; strings.TrimSpace(got) != `{"format":4}` {
		t.Errorf("format.json is %q", got)
	}
	to := memstore.New()
	if n, err := load(t, to, members); err != nil || n != 2 {
		t.Fatalf("%d records loaded, %v, want 2", n, err)
	}
	want := map[string]string{"watches/U": `{"format":1}`, "config/format": `{"format":4}`}
	if diff := cmp.Diff(want, contents(t, to, "watches", "config")); diff != "" {
		t.Error(diff)
	}
}

// A backup of a store that may have drafts and numbers has format 5, and so has the store that it is loaded into. The
// numbers of titles that were deleted are not used again.
func TestWriteNumbers(t *testing.T) {
	s := memstore.New()
	c := openCatalog(t, s)
	create(t, c, "A", "B")
	if err := c.NumberTitles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), "B", nil); err != nil {
		t.Fatal(err)
	}
	members := write(t, s, nil)
	if got := members[formatMember]; strings.TrimSpace(got) != `{"format":5}` {
		t.Errorf("format.json is %q", got)
	}
	to := memstore.New()
	if _, err := load(t, to, members); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, to, "config")["config/format"]; got != `{"format":5}` {
		t.Errorf("the store's format is %q", got)
	}
	again := openCatalog(t, to)
	create(t, again, "C")
	if err := again.NumberTitles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next, err := again.Title("C"); err != nil || next.Number != 3 {
		t.Errorf("the number of a new title is %d, %v, want 3, after those of A and B", next.Number, err)
	}
}

const (
	titlesMember  = "patchsource/titles.ndjson"
	historyMember = "patchsource/history.ndjson"
	formatMember  = "patchsource/format.json"
)

// A backup that is made while titles change holds every revision that each of its titles lists.
func TestWriteDuringChanges(t *testing.T) {
	s := memstore.New()
	c := openCatalog(t, s)
	create(t, c, "A", "B")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for i, id := range []string{"A", "B"} {
		group.Go(func() {
			for v := i; ctx.Err() == nil; v++ {
				version := patch.Patch{Version: strings.Repeat("1", 1+v%30), ReleaseDate: "2020-01-01T00:00:00Z"}
				versions := []patch.Patch{version}
				if _, err := c.AddVersions(context.Background(), id, patch.Position{}, versions, nil); err != nil {
					_, _ = c.RemoveVersion(context.Background(), id, version.Version, nil)
				}
			}
		})
	}
	for range 10 {
		to := memstore.New()
		if _, err := load(t, to, write(t, s, c.Records(t.Context()))); err != nil {
			t.Fatal(err)
		}
		moved := openCatalog(t, to)
		for _, id := range []string{"A", "B"} {
			all, err := moved.History(t.Context(), id)
			if err != nil || len(all) != min(int(all[0].Number), 21) {
				t.Fatalf("%s: %d revisions of %d, %v", id, len(all), all[0].Number, err)
			}
			for _, e := range all {
				if _, err := moved.Revision(t.Context(), id, e.Number); err != nil {
					t.Errorf("%s: revision %d of %d: %v", id, e.Number, all[0].Number, err)
				}
			}
		}
	}
}

// An error of any part ends a backup.
func TestWriteEndsWithAnError(t *testing.T) {
	s := memstore.New()
	put(t, s, "titles/a", `{}`)
	failing := func(yield func(store.Record, error) bool) { yield(store.Record{}, errDown) }
	if err := dump.Write(t.Context(), zip.NewWriter(io.Discard), s, failing); !errors.Is(err, errDown) {
		t.Errorf("titles fail: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := dump.Write(ctx, zip.NewWriter(io.Discard), s, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled context: %v", err)
	}
	if err := dump.Write(t.Context(), fullArchive{}, s, nil); !errors.Is(err, errDown) {
		t.Errorf("the archive fails: %v", err)
	}
	put(t, s, "tokens/a", `x`)
	if err := dump.Write(t.Context(), zip.NewWriter(io.Discard), s, nil); err == nil {
		t.Error("a value that is not JSON: no error")
	}
}

// A fullArchive takes no members.
type fullArchive struct{}

func (fullArchive) Create(string) (io.Writer, error) { return nil, errDown }
