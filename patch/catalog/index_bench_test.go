package catalog

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// benchSizes are the numbers of titles in the benchmarks of the index.
var benchSizes = []int{100, 10_000, 100_000}

// benchEntries returns entries as a community has them: five titles of each contributor, one of five followed.
func benchEntries(n int) []*entry {
	r := rand.New(rand.NewPCG(1, 2))
	entries := make([]*entry, n)
	for i := range entries {
		entries[i] = benchEntry(r, i)
	}
	return entries
}

// benchEntry returns the entry of a title with a number.
func benchEntry(r *rand.Rand, i int) *entry {
	words := []string{"Acrobat", "Chrome", "Draw", "Edit", "Firefox", "Gimp", "Manager", "Office", "Reader", "Zoom"}
	name := words[r.IntN(10)] + " " + words[r.IntN(10)] + " " + strconv.Itoa(i)
	author := "contributor" + strconv.Itoa(i/5)
	t := Title{
		Summary: patch.Summary{
			ID:             words[i%10] + strconv.Itoa(i) + "_" + author,
			Name:           name + " (" + author + ")",
			Publisher:      words[r.IntN(10)] + " Inc.",
			LastModified:   time.Unix(r.Int64N(1e9), 0).UTC().Format(time.RFC3339),
			CurrentVersion: fmt.Sprintf("%d.%d.%d", r.IntN(100), r.IntN(30), r.IntN(9)),
		},
		UID:         fmt.Sprintf("%026d", i),
		ETag:        fmt.Sprintf(`"%022d"`, r.IntN(1e9)),
		Changed:     time.Unix(r.Int64N(1e9), 0).UTC(),
		Author:      author,
		Contributor: author,
		Account:     "contributor/" + author,
		Bytes:       40_000,
	}
	if i%5 == 0 {
		t.Follows = "https://example.com/" + t.ID
	}
	return newEntry(t, titleKey(t.ID), "r"+"1")
}

// BenchmarkChange changes one title and reads a list: that of all titles, in both encodings, that of a contributor, or
// a selection of ten.
func BenchmarkChange(b *testing.B) {
	for _, n := range benchSizes {
		entries := benchEntries(n)
		x := newIndex(entries, time.Now())
		newListDocument(x.chunks, x.changed).GzipSize()
		r := rand.New(rand.NewPCG(3, 4))
		lists := &listCache{newCache[*selected](1 << 20), newCache[listOrigin](1 << 20)}
		ids := ""
		for range 10 {
			ids += entries[r.IntN(n)].ID + ","
		}
		for name, read := range map[string]func(x *index){
			"none":        func(*index) {},
			"list":        func(x *index) { newListDocument(x.chunks, x.changed).ETag() },
			"gzip":        func(x *index) { newListDocument(x.chunks, x.changed).GzipSize() },
			"write gzip":  func(x *index) { _, _ = newListDocument(x.chunks, x.changed).WriteGzipTo(io.Discard) },
			"contributor": func(x *index) { lists.ofContributor(x, entries[0].Contributor, "") },
			"selection":   func(x *index) { lists.selection(x, ids) },
		} {
			b.Run(fmt.Sprint(n, "/", name), func(b *testing.B) {
				x := x
				b.ReportAllocs()
				for b.Loop() {
					i := r.IntN(n)
					e := *entries[i]
					e.CurrentVersion = strconv.Itoa(r.IntN(1e6))
					e.Changed = e.Changed.Add(time.Second)
					x = x.with(e.key, &e)
					read(x)
				}
			})
		}
	}
}

// BenchmarkRead looks titles up, and reads pages.
func BenchmarkRead(b *testing.B) {
	for _, n := range benchSizes {
		entries := benchEntries(n)
		x := newIndex(entries, time.Now())
		r := rand.New(rand.NewPCG(3, 4))
		for name, read := range map[string]func(e *entry){
			"id":  func(e *entry) { x.byID(e.ID) },
			"uid": func(e *entry) { x.byUID(e.UID) },
			"page": func(*entry) {
				x.page(PageOptions{Order: ByVersion, Reverse: true, Offset: r.IntN(n), Limit: 100})
			},
			"latest": func(*entry) { x.page(PageOptions{Order: ByChanged, Limit: 50}) },
			"search": func(*entry) {
				x.page(PageOptions{Filter: Filter{Query: "ffic"}, Order: ByName, Limit: 100})
			},
			"contributor": func(e *entry) { x.count(Filter{Contributor: e.Contributor}) },
		} {
			b.Run(fmt.Sprint(n, "/", name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					read(entries[r.IntN(n)])
				}
			})
		}
	}
}

// BenchmarkNewIndex makes an index. "bytes/title" is the memory that it takes for each title, with the entries and the
// list in both encodings.
func BenchmarkNewIndex(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, n := range benchSizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			before := heap()
			entries := benchEntries(n)
			only := heap() - before
			var x *index
			for b.Loop() {
				x = newIndex(entries, time.Now())
			}
			index := heap() - before
			x.list().GzipSize()
			b.ReportMetric(float64(only)/float64(n), "entry-bytes/title")
			b.ReportMetric(float64(index)/float64(n), "index-bytes/title")
			b.ReportMetric(float64(heap()-before)/float64(n), "bytes/title")
			b.ReportMetric(float64(x.list().GzipSize())/float64(x.list().Size()), "gzip")
			runtime.KeepAlive(x)
		})
	}
}
