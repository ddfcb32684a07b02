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
	"sync/atomic"
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
			if diff := cmp.Diff(want, contents(t, to, "epochs", "config", "leases")); diff != "" {
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

const (
	titlesMember  = "patchsource/titles.ndjson"
	historyMember = "patchsource/history.ndjson"
	formatMember  = "patchsource/format.json"
)

// oldTitle and oldRevision are lines of a backup: a title and what it was before.
func oldTitle(t *testing.T) (title, revision string) {
	t.Helper()
	now, err := definition("A", "2", "1").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	before, err := definition("A", "1").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"id":"a","value":{"format":1,"uid":"U","state":"live","edition":2,"definition":%s}}`, now),
		fmt.Sprintf(`"id":"U/0000000001","value":{"format":1,"number":1,"definition":%s}}`, before)
}

// Backups of format 1, with the revisions in a member of their own and some without format.json, are loaded; those of a
// newer format are refused before anything is written.
func TestLoadFormats(t *testing.T) {
	title, revision := oldTitle(t)
	apart := map[string]string{titlesMember: title, historyMember: "{" + revision}
	together := `{"kind":"history",` + revision + "\n" + title
	for _, c := range []struct {
		name    string
		members map[string]string
		err     error
		records int
	}{
		{"before formats", apart, nil, 2},
		{"format 1", with(apart, formatMember, `{"format":1}`), nil, 2},
		{"format 2", map[string]string{titlesMember: together, formatMember: `{"format":2}`}, nil, 2},
		{"format 3", map[string]string{titlesMember: together, formatMember: `{"format":3}`}, nil, 2},
		{"format 4", map[string]string{titlesMember: together, formatMember: `{"format":4}`}, nil, 2},
		{"empty lines", with(apart, titlesMember, "\n"+title+"\n\n"), nil, 2},
		{"a newer format", with(apart, formatMember, `{"format":5}`), store.ErrFormat, 0},
		{"no format", with(apart, formatMember, `{}`), dump.ErrNoBackup, 0},
		{"definitions alone", map[string]string{"patch_archive/A.json": "{}"}, dump.ErrNoBackup, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			n, err := load(t, s, c.members)
			if !errors.Is(err, c.err) || n != c.records {
				t.Fatalf("%d records, %v, want %d, %v", n, err, c.records, c.err)
			}
			for _, part := range []string{"format 5", "up to 4"} {
				if c.err == store.ErrFormat && !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %s", err, part)
				}
			}
			if got := contents(t, s, "titles", "history", "config"); len(got) != c.records {
				t.Errorf("the store has %v", got)
			}
			if c.err != nil {
				return
			}
			if d, err := openCatalog(t, s).Revision(t.Context(), "A", 1); err != nil || len(d.Patches) != 1 {
				t.Errorf("revision 1 is %+v, %v", d, err)
			}
		})
	}
	_, err := dump.Load(t.Context(), memstore.New(), strings.NewReader("x"), 1, nil)
	if !errors.Is(err, dump.ErrNoBackup) {
		t.Errorf("no zip: %v, want ErrNoBackup", err)
	}
}

func TestLoadRefusesLines(t *testing.T) {
	title, _ := oldTitle(t)
	for _, c := range []struct{ member, line, err string }{
		{"titles", title + "\n" + `{"kind":"tokens","id":"x","value":{}}`, `titles: line 2: record "x"`},
		{"tokens", `{"kind":"titles","id":"x","value":{}}`, `tokens: line 1: record "x"`},
		{"config", `{"id":"format","value":{}}`, `config: line 1: record "format"`},
		{"tokens", "\n\nx", `tokens: line 3: `},
		{"tokens", `{"id":"","value":{}}`, `tokens: line 1: record ""`},
		{"tokens", strings.Repeat(" ", 64<<20+1), `tokens: line 1 has more than 67108864 bytes`},
	} {
		s := memstore.New()
		members := with(map[string]string{titlesMember: title}, "patchsource/"+c.member+".ndjson", c.line)
		if _, err := load(t, s, members); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%.50q in %s: %v, want %s", c.line, c.member, err, c.err)
		}
		if err := dump.CheckLoaded(t.Context(), s); !errors.Is(err, dump.ErrIncomplete) {
			t.Errorf("%.50q in %s: CheckLoaded: %v, want ErrIncomplete", c.line, c.member, err)
		}
	}
}

// A limitedStore fails after a number of Puts.
type limitedStore struct {
	store.Store
	left atomic.Int64
}

var errDown = errors.New("down")

func (s *limitedStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if s.left.Add(-1) < 0 {
		return "", errDown
	}
	return s.Store.Put(ctx, k, v, c)
}

// A load that was interrupted at any point is begun again by the next one.
func TestLoadAfterAnInterruption(t *testing.T) {
	from := memstore.New()
	create(t, openCatalog(t, from), "A", "B")
	put(t, from, "tokens/x", `{}`)
	put(t, from, "config/adopted-tokens", `{}`)
	members := write(t, from, nil)
	for puts := range 5 {
		to := memstore.New()
		limited := &limitedStore{Store: to}
		limited.left.Store(int64(puts))
		if _, err := load(t, limited, members); !errors.Is(err, errDown) {
			t.Fatalf("after %d Puts: %v, want the store's error", puts, err)
		}
		want := dump.ErrIncomplete
		if puts == 0 {
			want = nil // nothing was written yet
		}
		if err := dump.CheckLoaded(t.Context(), to); !errors.Is(err, want) {
			t.Errorf("after %d Puts: CheckLoaded: %v, want %v", puts, err, want)
		}
		if n, err := load(t, to, members); err != nil || n != 4 {
			t.Errorf("after %d Puts: %d records, %v, want 4", puts, n, err)
		}
		if err := dump.CheckLoaded(t.Context(), to); err != nil {
			t.Errorf("after %d Puts: CheckLoaded: %v", puts, err)
		}
		if _, err := load(t, to, members); !errors.Is(err, dump.ErrNotEmpty) {
			t.Errorf("after %d Puts: a second load: %v, want ErrNotEmpty", puts, err)
		}
	}
}

// A crowdedStore lets no Put return before a number of them are in progress.
type crowdedStore struct {
	store.Store
	wanted       int64
	now, maximum atomic.Int64
	crowded      chan struct{}
	once         sync.Once
}

func (s *crowdedStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "tokens" {
		now := s.now.Add(1)
		defer s.now.Add(-1)
		if now == s.wanted {
			s.once.Do(func() { close(s.crowded) })
		}
		s.maximum.Store(max(s.maximum.Load(), now))
		select {
		case <-s.crowded:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return s.Store.Put(ctx, k, v, c)
}

// Load writes many records at once, so that a store can combine the writes, but not any number.
func TestLoadWritesConcurrently(t *testing.T) {
	const writers = 32
	title, _ := oldTitle(t)
	var lines strings.Builder
	for i := range 5 * writers {
		fmt.Fprintf(&lines, "{\"id\":\"%d\",\"value\":{}}\n", i)
	}
	s := &crowdedStore{Store: memstore.New(), wanted: writers, crowded: make(chan struct{})}
	n, err := load(t, s, map[string]string{titlesMember: title, "patchsource/tokens.ndjson": lines.String()})
	if err != nil || n != 1+5*writers {
		t.Errorf("%d records, %v, want %d", n, err, 1+5*writers)
	}
	if m := s.maximum.Load(); m > writers {
		t.Errorf("%d records were written at once, want at most %d", m, writers)
	}
}

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
