package httpapi_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

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

// fullBackup makes a full backup of the store s.
func fullBackup(t *testing.T, s store.Store, b *bench) map[string]string {
	t.Helper()
	b.handler = httpapi.New(b.cat, &httpapi.Options{Tokens: b.auth, Store: s})
	w := b.asAdmin("GET", "/api/v1/backup?full=1", "")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return unzipped(t, w.Body.Bytes())
}

// with returns the members with one more, or another.
func with(members map[string]string, name, text string) map[string]string {
	members = maps.Clone(members)
	members[name] = text
	return members
}

// load loads a full backup that has these members.
func load(t *testing.T, s store.Store, members map[string]string) error {
	t.Helper()
	var list []string
	for name, text := range members {
		list = append(list, name, text)
	}
	data := zipped(t, list...)
	_, err := httpapi.LoadFullBackup(t.Context(), s, strings.NewReader(data), int64(len(data)))
	return err
}

// A full backup says its format, and holds epochs and the tokens that were adopted, but
// no other configuration.
func TestFullBackupHoldsWhatMoves(t *testing.T) {
	s := memstore.New()
	b := newBench(t, s)
	b.create("A")
	want := map[string]string{"epochs/title/x": `{"format":1}`, "config/adopted-tokens": `{"ids":["a"]}`}
	for key, value := range want {
		kind, id, _ := strings.Cut(key, "/")
		if _, err := s.Put(t.Context(), store.Key{Kind: kind, ID: id}, []byte(value), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	own := store.Key{Kind: "config", ID: "secret"}
	if _, err := s.Put(t.Context(), own, []byte(`1`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	members := fullBackup(t, s, b)
	if got := members["patchsource/format.json"]; strings.TrimSpace(got) != `{"format":2}` {
		t.Errorf("the format is %q", got)
	}
	if _, ok := members["patchsource/history.ndjson"]; ok {
		t.Error("editions stand in a member of their own")
	}
	to := memstore.New()
	if err := load(t, to, members); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, to, "epochs", "config")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(contents(t, s, "titles", "history"), contents(t, to, "titles", "history")); diff != "" {
		t.Error(diff)
	}
}

// Full backups of before, with editions in a member of their own and without a format,
// are loaded; those of a newer version are refused before anything is written.
func TestFullBackupFormats(t *testing.T) {
	const (
		titles  = "patchsource/titles.ndjson"
		history = "patchsource/history.ndjson"
		format  = "patchsource/format.json"
	)
	title := `{"id":"a","value":{"format":1,"uid":"U","state":"live","edition":2,"definition":` +
		definition("A", "2", "1") + `}}`
	edition := `"id":"U/0000000001","value":{"format":1,"number":1,"definition":` + definition("A", "1") + `}}`
	apart := map[string]string{titles: title, history: "{" + edition}
	together := `{"kind":"history",` + edition + "\n" + title
	for _, c := range []struct {
		name    string
		members map[string]string
		err     error
		records int
	}{
		{"before formats", apart, nil, 2},
		{"format 1", with(apart, format, `{"format":1}`), nil, 2},
		{"format 2", map[string]string{titles: together, format: `{"format":2}`}, nil, 2},
		{"a newer one", with(apart, format, `{"format":3}`), store.ErrFormat, 0},
		{"none at all", with(apart, format, `{}`), httpapi.ErrNoFullBackup, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			err := load(t, s, c.members)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			for _, part := range []string{"format 3", "up to 2"} {
				if c.err == store.ErrFormat && !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %s", err, part)
				}
			}
			if got := contents(t, s, "titles", "history", "config"); len(got) != c.records {
				t.Errorf("%v", got)
			}
			if c.err != nil {
				return
			}
			cat := newBench(t, s).cat
			if d, err := cat.Revision(t.Context(), "A", 1); err != nil || len(d.Patches) != 1 {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
	for name, line := range map[string]string{
		"titles": `{"kind":"tokens","id":"x","value":{}}`,
		"tokens": `{"kind":"titles","id":"x","value":{}}`,
		"config": `{"id":"format","value":{}}`,
	} {
		members := with(map[string]string{titles: title}, "patchsource/"+name+".ndjson", line)
		if err := load(t, memstore.New(), members); err == nil {
			t.Errorf("%s is loaded from %s", line, name)
		}
	}
}

// A full backup that is made while titles change holds every edition that each of its
// titles lists.
func TestFullBackupDuringChanges(t *testing.T) {
	s := memstore.New()
	b := newBench(t, s)
	b.create("A", "B")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for i, id := range []string{"A", "B"} {
		group.Go(func() {
			for v := i; ctx.Err() == nil; v++ {
				version := patch.Patch{Version: strings.Repeat("1", 1+v%30), ReleaseDate: "2020-01-01T00:00:00Z"}
				versions := []patch.Patch{version}
				if _, err := b.cat.AddVersions(context.Background(), id, patch.Position{}, versions, nil); err != nil {
					_, _ = b.cat.RemoveVersion(context.Background(), id, version.Version, nil)
				}
			}
		})
	}
	for range 10 {
		to := memstore.New()
		if err := load(t, to, fullBackup(t, s, b)); err != nil {
			t.Fatal(err)
		}
		moved := newBench(t, to)
		for _, id := range []string{"A", "B"} {
			all, err := moved.cat.History(t.Context(), id)
			if err != nil || len(all) != min(int(all[0].Number), 21) {
				t.Fatalf("%s: %d editions of %d, %v", id, len(all), all[0].Number, err)
			}
			for _, e := range all {
				if _, err := moved.cat.Revision(t.Context(), id, e.Number); err != nil {
					t.Errorf("%s: edition %d of %d: %v", id, e.Number, all[0].Number, err)
				}
			}
		}
	}
}
