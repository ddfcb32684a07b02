package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
)

// A countingStore counts the records of titles that are read. It is no store.Watcher, so that the catalog that is
// opened first does the work in the background at once.
type countingStore struct {
	store.Store
	mu   sync.Mutex
	gets int
}

func (s *countingStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if key.Kind == titleKind {
		s.mu.Lock()
		s.gets++
		s.mu.Unlock()
	}
	return s.Store.Get(ctx, key)
}

// A revisionsStore is also a store.Revisioner.
type revisionsStore struct{ *countingStore }

func (s revisionsStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for r, err := range s.List(ctx, kind) {
			if !yield(store.Change{Key: r.Key, Revision: r.Revision}, err) {
				return
			}
		}
	}
}

// fill writes n records of titles.
func fill(t testing.TB, s store.Store, n int) {
	t.Helper()
	for i := range n {
		writeTitle(t, s, fmt.Sprint("Title", i), live)
	}
}

// writeTitle writes the record of a title, over another if there is one.
func writeTitle(t testing.TB, s store.Store, id string, st state) {
	t.Helper()
	r := someRecord(t, id, st)
	r.Owner.Author, r.Owner.Contributor, r.Owner.Account = "Ann", "ann", "contributor/ann"
	r.UID = "uid" + id
	if st == gone {
		r.Undelivered, r.Events = []undelivered{{Number: 1, Event: json.RawMessage(`1`)}}, 1
	}
	value, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(context.Background(), storeKey(titleKey(id)), value, store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// openedTitles opens a catalog, closes it, and returns its titles.
func openedTitles(t testing.TB, s store.Store, log *slog.Logger) (titles []Title, damaged int) {
	t.Helper()
	c, err := Open(context.Background(), s, &Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	titles = slices.Collect(c.Find(Filter{}))
	damaged = c.Damaged()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	return titles, damaged
}

// A catalog that is opened with a snapshot has the same titles as one that reads all records, whatever has happened to
// the records and to the snapshot since it was written.
func TestSnapshotEqualsFullLoad(t *testing.T) {
	for _, revisioner := range []bool{false, true} {
		for seed := range uint64(4) {
			ctx, r := t.Context(), rand.New(rand.NewPCG(seed, 0))
			counting := &countingStore{Store: memstore.New()}
			var s store.Store = counting
			if revisioner {
				s = revisionsStore{counting}
			}
			fill(t, s, minSnapshot+300)
			openedTitles(t, s, nil)
			changeAtRandom(t, s, r)
			if seed == 1 {
				for rec := range s.List(ctx, snapshotKind) {
					if _, err := s.Put(ctx, rec.Key, rec.Value[:len(rec.Value)/2], store.Condition{}); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
			got, gotDamaged := openedTitles(t, s, nil)
			for rec := range s.List(ctx, snapshotKind) {
				if err := s.Delete(ctx, rec.Key, store.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			want, wantDamaged := openedTitles(t, s, nil)
			if !slices.Equal(got, want) || gotDamaged != wantDamaged || len(want) < minSnapshot {
				t.Fatalf("with the snapshot there are %d titles and %d corrupt ones, without it %d and %d, "+
					"or they differ", len(got), gotDamaged, len(want), wantDamaged)
			}
		}
	}
}

// changeAtRandom changes, deletes and corrupts records of titles.
func changeAtRandom(t *testing.T, s store.Store, r *rand.Rand) {
	t.Helper()
	for i := range r.IntN(60) {
		id := fmt.Sprint("Title", r.IntN(minSnapshot+500))
		key := storeKey(titleKey(id))
		switch i % 4 {
		case 0:
			_ = s.Delete(t.Context(), key, store.Condition{}) // it may not exist
		case 1:
			writeTitle(t, s, id, live)
		case 2:
			writeTitle(t, s, id, []state{gone, pending}[r.IntN(2)])
		case 3:
			if _, err := s.Put(t.Context(), key, []byte("corrupt"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Only titles that have changed since the snapshot are read when a catalog is opened, and only parts of the snapshot
// that have changed are written again.
func TestSnapshotSavesReads(t *testing.T) {
	counting := &countingStore{Store: memstore.New()}
	s := revisionsStore{counting}
	fill(t, s, minSnapshot+300)
	revisions := func() map[string]store.Revision {
		all := map[string]store.Revision{}
		for r := range s.List(t.Context(), snapshotKind) {
			all[r.Key.ID] = r.Revision
		}
		return all
	}
	openedTitles(t, s, nil)
	first := revisions()
	if len(first) != 2 {
		t.Fatalf("the snapshot has %d records, want 2", len(first))
	}
	writeTitle(t, s, "Title7", live)
	l := &loader{titleWriter: newCatalog(s, testOptions(t, s)).writer}
	l.known = l.snapshot.read(t.Context())
	if err := l.readChanged(t.Context()); err != nil || len(l.entries) != minSnapshot+300 {
		t.Fatalf("loaded %d titles (error %v)", len(l.entries), err)
	}
	if counting.gets != 1 || len(l.unverified) != minSnapshot+299 {
		t.Errorf("%d titles were read, and %d are to be verified", counting.gets, len(l.unverified))
	}
	openedTitles(t, s, nil)
	changed := 0
	for id, rev := range revisions() {
		if first[id] != rev {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d records of the snapshot were written again, want 1", changed)
	}
}

// testOptions returns the default options.
func testOptions(t *testing.T, s store.Store) *Options {
	t.Helper()
	var none *Options
	o, err := none.complete(s)
	if err != nil {
		t.Fatal(err)
	}
	return &o
}

// A small catalog keeps no snapshot, and one that has become small deletes it.
func TestSnapshotOfSmallCatalogs(t *testing.T) {
	s := &countingStore{Store: memstore.New()} // is not shared
	fill(t, s, minSnapshot)
	openedTitles(t, s, nil)
	if n := kept(t, s); n != 1 {
		t.Errorf("%d records of the snapshot, want 1", n)
	}
	if err := s.Delete(t.Context(), storeKey("title1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	openedTitles(t, s, nil)
	if n := kept(t, s); n != 0 {
		t.Errorf("a small catalog keeps %d records of a snapshot", n)
	}
}

// A title with a notice to deliver, or a change of a restore to make, is not in the snapshot, so that its record is
// read when the catalog is opened.
func TestSnapshotLeavesWorkOut(t *testing.T) {
	var entries []*entry
	for i := range minSnapshot {
		r := someRecord(t, fmt.Sprint("Title", i), live)
		switch i {
		case 0:
			r.Undelivered = []undelivered{{Number: 1, Event: json.RawMessage(`1`)}}
		case 1:
			r.Staged = &staged{Batch: "b"}
		}
		e, err := r.entry(fmt.Sprint("title", i))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	var ids []string
	for _, part := range new(snapshot).divide(newIndex(entries, time.Now())) {
		for _, e := range part {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) != minSnapshot-2 || slices.Contains(ids, "Title0") || slices.Contains(ids, "Title1") {
		t.Errorf("the snapshot has %d titles, want all but 2", len(ids))
	}
}

// kept returns the number of records of the snapshot.
func kept(t *testing.T, s store.Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), snapshotKind) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A title whose record is corrupt leaves the index when it is verified, although the snapshot has it.
func TestVerifyFindsCorruptTitles(t *testing.T) {
	inner := memstore.New()
	s := revisionsStore{&countingStore{Store: inner}}
	fill(t, s, minSnapshot)
	openedTitles(t, s, nil)
	corrupt := corruptStore{s, storeKey("title3")}
	var log syncBuffer
	c, err := Open(t.Context(), corrupt, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for end := time.Now().Add(10 * time.Second); c.Len() == minSnapshot && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if c.Len() != minSnapshot-1 || c.Damaged() != 1 || !strings.Contains(log.String(), "title3") {
		t.Errorf("%d titles, %d corrupt ones; the log: %s", c.Len(), c.Damaged(), log.String())
	}
}

// A corruptStore has a corrupt record, which Revisions does not notice.
type corruptStore struct {
	revisionsStore
	key store.Key
}

func (s corruptStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if key == s.key {
		return store.Record{}, store.ErrCorrupt
	}
	return s.revisionsStore.Get(ctx, key)
}

// A syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// FuzzDecodeSnapshot checks that decodeSnapshot does not panic, and accepts what was written.
func FuzzDecodeSnapshot(f *testing.F) {
	f.Add([]byte(`{"format":1,"titles":[{"id":"A","uid":"u","revision":"r","changed":"2018-02-02T17:39:58Z"}]}`))
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		entries, hash, err := decodeSnapshot(value)
		if err != nil {
			return
		}
		part := snapshotPart{Format: snapshotFormat, Titles: []snapshotTitle{}}
		for _, e := range entries {
			part.Titles = append(part.Titles, newSnapshotTitle(e))
		}
		again, err := json.Marshal(part)
		if err != nil {
			return // a time that JSON cannot have
		}
		same, sameHash, err := decodeSnapshot(again)
		if err != nil || len(same) != len(entries) || hash != sameHash {
			t.Errorf("%s became %s (error %v)", value, again, err)
		}
	})
}

// BenchmarkOpenSnapshot opens catalogs from a snapshot over a filestore, as a server does that starts.
func BenchmarkOpenSnapshot(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, err := filestore.Open(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var group errgroup.Group
			group.SetLimit(64)
			for i := range n {
				group.Go(func() error {
					writeTitle(b, s, fmt.Sprint("Title", i), live)
					return nil
				})
			}
			_ = group.Wait() // it does not fail
			openedTitles(b, s, nil)
			b.ReportAllocs()
			for b.Loop() {
				c, err := Open(b.Context(), s, nil)
				if err != nil || c.Len() != n {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
