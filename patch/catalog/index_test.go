package catalog

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/patchsource/patchsource/patch"
)

// randomEntry returns an entry with an id, whose other fields have few values.
func randomEntry(r *rand.Rand, id string, number int) *entry {
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	t := Title{
		Summary: patch.Summary{
			ID:             id,
			Name:           pick("Slack", "slack", "Zoom \"x\"", "Éclair (ann)"),
			Publisher:      pick("", "Alpha", "alpha", "ßeta", "ẞeta"),
			LastModified:   "2018-02-02T17:39:58Z",
			CurrentVersion: pick("1", "1.0", "2.10", "2.9b1", "x"),
		},
		UID:     fmt.Sprint("uid", number),
		ETag:    pick("a", "b"),
		Changed: time.Unix(int64(r.IntN(3)), 0),
		Bytes:   int64(r.IntN(100)),
	}
	if r.IntN(2) == 0 {
		t.Author, t.Contributor = pick("ann", "Ann", "b"), pick("", "ann", "bob")
		t.Account, t.Mailbox = pick("", "x", "y"), pick("", "m", "n")
	}
	if r.IntN(3) == 0 {
		t.Follows, t.Source = "https://example.com", pick("", "s")
	}
	return newEntry(t, titleKey(id), "")
}

// checkIndex compares an index with the entries that it should have, and everything that it derives from them with what
// is made from a sorted slice.
func checkIndex(t *testing.T, x *index, model map[string]*entry) {
	t.Helper()
	var want []*entry
	for _, e := range model {
		want = append(want, e)
	}
	sortEntries(want)
	if got := slices.Collect(x.all()); !slices.Equal(got, want) || x.size != len(want) {
		t.Fatalf("%d titles in another order or number than the %d of the model", len(got), len(want))
	}
	checkChunks(t, x.chunks)
	checkGroups(t, x, want)
	for _, e := range want {
		if x.byKey(e.key) != e || x.byID(strings.ToUpper(e.ID)) != e || x.byUID(e.UID) != e {
			t.Fatalf("%q is not found", e.ID)
		}
		if e.Contributor == "" {
			continue
		}
		plain, _ := e.Plain()
		p := x.byPlainID(e.Contributor, strings.ToUpper(plain))
		if p == nil || p.Contributor != e.Contributor || !strings.EqualFold(p.plainID(), plain) {
			t.Fatalf("%q of %s is not found by its plain id %q", e.ID, e.Contributor, plain)
		}
	}
	for _, id := range []string{"", "zz", strings.Repeat("a", 300)} {
		if x.byID(id) != nil || x.byUID(id) != nil {
			t.Fatalf("%q is found", id)
		}
	}
}

// checkChunks checks where the chunks of a list begin.
func checkChunks(t *testing.T, all chunks) {
	t.Helper()
	for i, c := range all {
		if c.first != (i == 0) || i > 0 && !beginsChunk(c.id()) {
			t.Fatalf("chunk %d begins at %q", i, c.id())
		}
		for _, e := range c.entries[1:] {
			if beginsChunk(e.ID) {
				t.Fatalf("no chunk begins at %q", e.ID)
			}
		}
	}
}

// checkGroups compares the groups of an index with the entries.
func checkGroups(t *testing.T, x *index, entries []*entry) {
	t.Helper()
	titles, bytes := map[string]int{}, map[account]int64{}
	for _, e := range entries {
		titles[e.Contributor]++
		bytes[e.account()] += e.Bytes
	}
	for g := range x.authors.all() {
		if g.titles != titles[g.name] || g.titles == 0 {
			t.Fatalf("%d titles of contributor %q, want %d", g.titles, g.name, titles[g.name])
		}
		delete(titles, g.name)
	}
	if delete(titles, ""); len(titles) > 0 {
		t.Fatalf("no groups of %v", titles)
	}
	for a, n := range bytes {
		if got := x.accountBytes(a, "none"); got != n && a != (account{}) {
			t.Fatalf("%d bytes of %v, want %d", got, a, n)
		}
	}
}

// checkPages compares pages of an index with what is made from a sorted slice.
func checkPages(t *testing.T, x *index, r *rand.Rand, sorted []*entry) {
	t.Helper()
	yes := r.IntN(2) == 0
	filters := []Filter{{}, {Query: "SLACK"}, {Query: "ann"}, {Query: "ann", QueryAuthor: true}, {QueryAuthor: true},
		{Publisher: "ALPHA"}, {Publisher: "SSeta"}, {Publisher: "ẞETA"}, {Author: "ANN"}, {AuthorLike: "A n n"},
		{AuthorLike: "-"}, {Contributor: "ann"}, {Contributor: "ann", Author: "b"}, {Account: "x"}, {Mailbox: "m"},
		{Source: "s"}, {Synced: &yes}, {Synced: &yes, Query: "o"}, {After: "b"}, {After: "B", Contributor: "bob"}}
	f := filters[r.IntN(len(filters))]
	want := slices.Clone(sorted)
	matches := f.matcher()
	want = slices.DeleteFunc(want, func(e *entry) bool { return !matches(e) || e.ID <= f.After })
	if got := slices.Collect(x.find(f)); !slices.Equal(got, want) || x.count(f) != len(want) {
		t.Fatalf("%+v finds %d titles, and counts %d, want %d", f, len(got), x.count(f), len(want))
	}
	f.After = ""
	want = slices.DeleteFunc(slices.Clone(sorted), func(e *entry) bool { return !matches(e) })
	all := []Order{ByID, ByName, ByPublisher, ByAuthor, ByVersion, ByChanged, BySource}
	o := PageOptions{
		Filter:  f,
		Order:   all[r.IntN(len(all))],
		Reverse: r.IntN(2) == 0,
		Offset:  r.IntN(len(sorted) + 3),
		Limit:   r.IntN(len(sorted)+3) - 1,
	}
	for range r.IntN(4) {
		o.First = append(o.First, randomID(r))
	}
	sortForPage(x, o, want)
	p := x.page(o)
	if p.Matches != len(want) || p.Total != len(sorted) {
		t.Fatalf("%+v: %d matches of %d, want %d of %d", o, p.Matches, p.Total, len(want), len(sorted))
	}
	want = want[min(o.Offset, len(want)):]
	if o.Limit >= 0 {
		want = want[:min(o.Limit, len(want))]
	}
	same := func(t Title, e *entry) bool { return t == e.Title }
	if !slices.EqualFunc(p.Titles, want, same) {
		t.Fatalf("%+v: another page than expected: %d titles, want %d", o, len(p.Titles), len(want))
	}
}

// sortForPage sorts the titles, which are sorted by id, in the order of a page.
func sortForPage(x *index, o PageOptions, titles []*entry) {
	isFirst := map[*entry]bool{}
	for _, id := range o.First {
		isFirst[x.byID(id)] = true
	}
	slices.SortStableFunc(titles, func(a, b *entry) int {
		c := 0
		switch {
		case isFirst[a] && isFirst[b]:
			return cmp.Compare(a.ID, b.ID)
		case isFirst[a]:
			c = -1
		case isFirst[b]:
			c = 1
		case o.Order == ByID:
			c = cmp.Compare(a.ID, b.ID)
		default:
			c = comparisons[orders[o.Order]](a, b)
		}
		if o.Reverse {
			c = -c
		}
		return c
	})
}

// randomID returns one of a few ids.
func randomID(r *rand.Rand) string {
	return string([]byte{"abcABC"[r.IntN(6)], "xyzX_"[r.IntN(5)], "0123456789"[r.IntN(10)]}) +
		[]string{"", "_ann"}[r.IntN(2)]
}

// FuzzIndex changes an index at random, and compares it with a map and a sorted slice.
func FuzzIndex(f *testing.F) {
	f.Add(uint64(1), 100)
	f.Add(uint64(2), 1000)
	f.Add(uint64(3), 3)
	f.Fuzz(func(t *testing.T, seed uint64, steps int) {
		r := rand.New(rand.NewPCG(seed, 0))
		model := map[string]*entry{}
		var begin []*entry
		for i := range r.IntN(200) {
			e := randomEntry(r, randomID(r), i)
			if model[e.key] == nil {
				model[e.key] = e
				begin = append(begin, e)
			}
		}
		x := newIndex(begin, time.Now())
		checkIndex(t, x, model)
		for i := range min(max(steps, 0), 1000) {
			id := randomID(r)
			var e *entry
			if r.IntN(3) > 0 {
				e = randomEntry(r, id, 1000+i)
				model[e.key] = e
			} else {
				delete(model, titleKey(id))
			}
			before := slices.Collect(x.all())
			list := ""
			if i%50 == 0 {
				list = string(newListDocument(x.chunks, x.changed).Bytes())
			}
			next := x.with(titleKey(id), e)
			if !slices.Equal(before, slices.Collect(x.all())) {
				t.Fatal("with has changed its index")
			}
			if i%50 == 0 {
				checkIndex(t, next, model)
				unchanged := map[string]*entry{}
				for _, e := range before {
					unchanged[e.key] = e
				}
				checkIndex(t, x, unchanged)
				checkList(t, x.chunks, list)
			}
			x = next
			checkPages(t, x, r, slices.Collect(x.all()))
		}
		checkIndex(t, x, model)
		checkList(t, x.chunks, "")
	})
}

// checkList compares the list of chunks with what encoding/json makes of the titles, and with another text if that is
// not empty.
func checkList(t *testing.T, all chunks, text string) {
	t.Helper()
	summaries := []patch.Summary{}
	for e := range all.from(0) {
		summaries = append(summaries, e.Summary)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(summaries); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSuffix(b.String(), "\n")
	doc := newListDocument(all, time.Now())
	if got := string(doc.Bytes()); got != want || text != "" && got != text {
		t.Fatalf("the list is\n%s\nwant\n%s", got, want)
	}
	if doc.Size() != len(want) {
		t.Fatalf("the list has %d bytes, want %d", doc.Size(), len(want))
	}
	var again []*entry
	for e := range all.from(0) {
		again = append(again, e)
	}
	if other := newListDocument(newChunks(again), time.Now()); other.ETag() != doc.ETag() {
		t.Fatal("the same list has another entity tag")
	}
	if doc.GzipSize() == 0 {
		return
	}
	var zipped bytes.Buffer
	if n, err := doc.WriteGzipTo(&zipped); n != int64(doc.GzipSize()) || err != nil || zipped.Len() != doc.GzipSize() {
		t.Fatalf("WriteGzipTo writes %d of %d bytes (error %v)", n, doc.GzipSize(), err)
	}
	if got := gunzip(t, zipped.Bytes()); string(got) != want {
		t.Fatalf("the compressed list is\n%s\nwant\n%s", got, want)
	}
}

// gunzip returns what a single member of gzip has.
func gunzip(t testing.TB, data []byte) []byte {
	t.Helper()
	in := bytes.NewReader(data)
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if in.Len() > 0 {
		t.Fatalf("%d bytes follow the member", in.Len())
	}
	return text
}

// FuzzGzipOf splits a text anywhere: the parts, compressed one by one, are one member with the text.
func FuzzGzipOf(f *testing.F) {
	f.Add([]byte("some text, some text, some text"), []byte{3, 0, 200})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		var parts []deflated
		rest := text
		for _, n := range cuts {
			n := min(int(n), len(rest))
			parts = append(parts, deflate(rest[:n:n], false))
			rest = rest[n:]
		}
		parts = append(parts, deflate(rest, true))
		if got := gunzip(t, bytes.Join(gzipOf(parts), nil)); !bytes.Equal(got, text) {
			t.Fatalf("got %q, want %q", got, text)
		}
		var crc uint32
		for _, p := range parts {
			crc = joinCRC(crc, p)
		}
		if want := crc32.ChecksumIEEE(text); crc != want {
			t.Fatalf("the joined checksum is %x, want %x", crc, want)
		}
	})
}

// A large body is written in parts once, and joined when it is written again.
func TestBodyIsJoinedWhenWrittenAgain(t *testing.T) {
	for _, size := range []int{10, maxJoined / 2, maxJoined} {
		var segments [][]byte
		for i := range 3 {
			segments = append(segments, bytes.Repeat([]byte{byte('a' + i)}, size))
		}
		b := newBody(segments)
		want := bytes.Join(segments, nil)
		for range 3 {
			var got bytes.Buffer
			if n, err := b.writeTo(&got); n != int64(len(want)) || err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("a body of %d bytes: wrote %d others (error %v)", len(want), n, err)
			}
		}
		if !b.isJoined.Load() || !bytes.Equal(b.bytes(), want) {
			t.Errorf("a body of %d bytes is not joined", len(want))
		}
	}
	b := newBody([][]byte{make([]byte, maxJoined), make([]byte, maxJoined)})
	if n, err := b.writeTo(failing{}); n != 0 || err != io.ErrClosedPipe || b.isJoined.Load() {
		t.Errorf("to a broken connection: wrote %d bytes (error %v)", n, err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Texts that differ only in case have the same folded form, which is lower case. Others have different ones.
func TestFold(t *testing.T) {
	for r := range unicode.MaxRune + 1 {
		if f := unicode.SimpleFold(r); foldRune(r) != foldRune(f) {
			t.Errorf("%q and %q differ", r, f)
		}
		if s := string(r); !strings.EqualFold(fold(s), s) {
			t.Errorf("fold(%q) = %q, which is another text", s, fold(s))
		}
	}
	for s, want := range map[string]string{"AbC": "abc", "ÄÖ": "äö", "ſS": "ss", "": "", "\u0130I": "\u0130i"} {
		if got := fold(s); got != want {
			t.Errorf("fold(%q) = %q, want %q", s, got, want)
		}
	}
}

// FuzzAppendString compares appendString with encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"\\\n\x00\x7f<>&", "é\u2028", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := string(appendString(nil, s)) + "\n"; got != want.String() {
			t.Errorf("got %s, want %s", got, want.String())
		}
	})
}

// Readers use an index while others are made from it.
func TestIndexIsReadDuringChanges(t *testing.T) {
	current := currentIndex{now: time.Now}
	if err := current.load(func() ([]*entry, error) { return benchEntries(2000), nil }); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				x := current.serve()
				p := x.page(PageOptions{Order: ByVersion, Reverse: i%2 == 0, Offset: n % 100, Limit: 20})
				if p.Total != x.size {
					t.Errorf("a page of %d titles, want %d", p.Total, x.size)
				}
				titles := slices.Collect(x.find(Filter{Contributor: "contributor7"}))
				if got := x.count(Filter{Contributor: "contributor7"}); got != len(titles) {
					t.Errorf("counted %d titles, want %d", got, len(titles))
				}
				if n%10 == 0 {
					x.list().GzipSize()
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		e := benchEntry(r, r.IntN(2200))
		if r.IntN(3) == 0 {
			current.publish(e.key, nil)
		} else {
			current.publish(e.key, e)
		}
	}
	close(done)
	readers.Wait()
}
