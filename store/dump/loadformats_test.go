package dump_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
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
		{"format 5", map[string]string{titlesMember: together, formatMember: `{"format":5}`}, nil, 2},
		{"empty lines", with(apart, titlesMember, "\n"+title+"\n\n"), nil, 2},
		{"a newer format", with(apart, formatMember, `{"format":6}`), store.ErrFormat, 0},
		{"no format", with(apart, formatMember, `{}`), dump.ErrNoBackup, 0},
		{"definitions alone", map[string]string{"patch_archive/A.json": "{}"}, dump.ErrNoBackup, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := memstore.New()
			n, err := load(t, s, c.members)
			if !errors.Is(err, c.err) || n != c.records {
				t.Fatalf("%d records, %v, want %d, %v", n, err, c.records, c.err)
			}
			for _, part := range []string{"format 6", "up to 5"} {
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
