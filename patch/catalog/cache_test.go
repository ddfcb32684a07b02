package catalog_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// Caches counts hits and misses.
func TestCaches(t *testing.T) {
	s := memstore.New()
	first, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	c := []patch.Criterion{{Name: "Application Bundle ID", Operator: "is", Value: "x", Type: "recon", And: &yes}}
	def := &patch.Definition{
		ID:           "A",
		Name:         "A",
		Requirements: c,
		Patches:      []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}
	if _, err := first.Create(t.Context(), def, nil); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(t.Context(), s, nil) // with empty caches
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	for range 3 {
		if _, err := cat.Definition(t.Context(), "A"); err != nil {
			t.Fatal(err)
		}
		cat.Select("A")
		cat.Select("a,A")
	}
	definitions, selections := cat.Caches()
	if definitions.Hits != 2 || definitions.Misses != 1 || definitions.Bytes == 0 {
		t.Errorf("definitions: %+v, want 2 hits and 1 miss", definitions)
	}
	if selections.Hits != 4 || selections.Misses != 2 || selections.Bytes == 0 {
		t.Errorf("selections: %+v, want 4 hits and 2 misses", selections)
	}
}

// Concurrent readers of a definition that is not cached share one read of the store.
func TestConcurrentMissesReadOnce(t *testing.T) {
	inside := memstore.New()
	create(t, open(t, inside, nil), "App")
	s := &faulty{Store: inside}
	cat := open(t, s, nil) // it reads the store, too
	s.hold = make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := cat.Definition(context.Background(), "App"); err != nil {
				t.Error(err)
			}
		})
	}
	// A reader whose context ends does not end the read of the others.
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cat.Definition(short, "App"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	close(s.hold)
	wg.Wait()
	// Some of the readers may have been late. After them, the definition is cached.
	n := s.gets.Load()
	if _, err := cat.Definition(t.Context(), "APP"); err != nil || s.gets.Load() != n {
		t.Errorf("error %v, %d reads, want %d", err, s.gets.Load(), n)
	}
}

// The cache takes no more memory than Options.CacheBytes, with the compressed forms.
func TestCacheIsBounded(t *testing.T) {
	inside := memstore.New()
	writer := open(t, inside, nil)
	for i := range 50 {
		create(t, writer, "t"+strconv.Itoa(i))
	}
	s := &faulty{Store: inside}
	doc, err := writer.Definition(t.Context(), "t1")
	if err != nil {
		t.Fatal(err)
	}
	// There is room for about five definitions without their compressed forms, each of which counts an eighth more.
	cat := open(t, s, &catalog.Options{CacheBytes: int64(9 * (len(doc.Bytes()) + 400) * 5 / 7)})
	read := func(zip bool) (reads int32) {
		before := s.gets.Load()
		for range 2 {
			for i := range 4 {
				doc, err := cat.Definition(t.Context(), "t"+strconv.Itoa(i))
				if err != nil {
					t.Fatal(err)
				}
				if zip {
					doc.Gzip()
				}
			}
		}
		return s.gets.Load() - before
	}
	if n := read(false); n != 4 {
		t.Errorf("%d reads of four titles that fit, want 4", n)
	}
	if n := read(true); n == 0 {
		t.Error("no reads: the compressed forms do not count")
	}
}

// Selections do not keep earlier indexes in memory.
func TestSelectionsKeepNoIndex(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	for i := range 3000 {
		create(t, cat, "title-with-a-long-name-"+strconv.Itoa(i))
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 200 {
		cat.Select("title-with-a-long-name-1,x" + strconv.Itoa(i))
		cat.Software().Bytes()
		add(t, cat, "title-with-a-long-name-1", "v"+strconv.Itoa(i))
	}
	if grown := int64(heap()) - int64(before); grown > 20<<20 {
		t.Errorf("200 small selections take %d MB", grown>>20)
	}
}
