package catalog_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// Software and Select return summaries in order, with entity tags that depend on the bytes.
func TestListAndSelect(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	if got := string(cat.Software().Bytes()); got != "[]" {
		t.Errorf("an empty list is %s", got)
	}
	for _, id := range []string{"b", "A", "a2", "C", "B2"} {
		create(t, cat, id)
	}
	if got := listed(t, cat.Software()); !slices.Equal(got, []string{"A", "B2", "C", "a2", "b"}) {
		t.Errorf("the list is %q", got)
	}
	for _, c := range []struct{ ask, want string }{
		{"C,A", "C A"},
		{"c,C,c", "C"},
		{"Nope,b,,Nada,a", "b A"},
		{"", ""},
		{",", ""},
		{"Nope", ""},
		{strings.Repeat("x", 300), ""},
		{"b", "b"},
	} {
		for range 2 { // the second time from the cache
			if got := strings.Join(listed(t, cat.Select(c.ask)), " "); got != c.want {
				t.Errorf("Select(%.20q) = %q, want %q", c.ask, got, c.want)
			}
		}
	}
	before := cat.Select("A,C")
	create(t, cat, "z")
	after := cat.Select("A,C")
	if after.ETag() != before.ETag() || !after.Changed().After(before.Changed()) {
		t.Errorf(
			"after the creation of another title: ETag %s, %s; changed %v, %v",
			before.ETag(),
			after.ETag(),
			before.Changed(),
			after.Changed(),
		)
	}
	if _, err := cat.AddVersions(t.Context(), "A", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if cat.Select("A,C").ETag() == before.ETag() {
		t.Error("the selection has the same ETag after its title has changed")
	}
}

// Find yields the titles that a filter selects.
func TestFind(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	for _, id := range []string{"Xcode", "Firefox", "Safari"} {
		create(t, cat, id)
	}
	d := definition("Fire_Bryson", "1")
	d.Name, d.Publisher = "Fire (Bryson)", "Mozilla"
	synced := &catalog.CreateOptions{Author: "Bryson", Follows: "https://example.com/"}
	if _, err := cat.Create(t.Context(), d, synced); err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for _, c := range []struct {
		name string
		f    catalog.Filter
		want string
	}{
		{"all", catalog.Filter{}, "Fire_Bryson Firefox Safari Xcode"},
		{"by id", catalog.Filter{Query: "fIRE"}, "Fire_Bryson Firefox"},
		{"by name", catalog.Filter{Query: "(bry"}, "Fire_Bryson"},
		{"by part of the publisher", catalog.Filter{Query: "mozil"}, "Fire_Bryson"},
		{"by publisher", catalog.Filter{Publisher: "example"}, "Firefox Safari Xcode"},
		{"by author", catalog.Filter{Author: "bryson"}, "Fire_Bryson"},
		{"synced", catalog.Filter{Synced: &yes}, "Fire_Bryson"},
		{"not synced", catalog.Filter{Synced: &no, Query: "fire"}, "Firefox"},
		{"after one", catalog.Filter{After: "Firefox"}, "Safari Xcode"},
		{"after one that does not exist", catalog.Filter{After: "Fz"}, "Safari Xcode"},
		{"after all", catalog.Filter{After: "z"}, ""},
		{"none", catalog.Filter{Query: "nope"}, ""},
	} {
		var got []string
		for title := range cat.Find(c.f) {
			got = append(got, title.ID)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q, want %q", c.name, s, c.want)
		}
	}
}

// The time of the list moves forward after each state that a reader has seen, whatever the clock does.
func TestListChanged(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cat := open(t, memstore.New(), &catalog.Options{Now: func() time.Time { return now }})
	create(t, cat, "a")
	create(t, cat, "b") // no reader has seen the list before that
	seen := cat.Software().Changed()
	if !seen.Equal(now) {
		t.Errorf("changed %v, want %v", seen, now)
	}
	for i, step := range []time.Duration{0, 0, -time.Hour, 5 * time.Second} {
		now = now.Add(step)
		create(t, cat, "c"+strconv.Itoa(i))
		changed := cat.Software().Changed()
		if !changed.After(seen) {
			t.Errorf("step %d: changed %v, want a time after %v", i, changed, seen)
		}
		seen = changed
	}
}

// Documents have the same bytes, entity tags and times after a restart.
func TestDocumentsAfterRestart(t *testing.T) {
	s := memstore.New()
	first := open(t, s, nil)
	for i := range 20 {
		create(t, first, "t"+strconv.Itoa(i), "2", "1")
	}
	second := open(t, s, nil)
	if first.Software().ETag() != second.Software().ETag() {
		t.Error("the list has another ETag after a restart")
	}
	a, errA := first.Definition(t.Context(), "t3")
	b, errB := second.Definition(t.Context(), "t3")
	if errA != nil || errB != nil || a.ETag() != b.ETag() || string(a.Bytes()) != string(b.Bytes()) ||
		!a.Changed().Equal(b.Changed()) {
		t.Errorf("the definition differs after a restart: errors %v, %v", errA, errB)
	}
	title, err := second.Title("t3")
	if err != nil || title.ETag != b.ETag() {
		t.Errorf("the title is %+v, %v", title, err)
	}
}

// The corpus of real definitions is stored and loaded without a difference.
func TestCorpus(t *testing.T) {
	z, err := zip.OpenReader("../testdata/definitions.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	s := memstore.New()
	cat := open(t, s, nil)
	want := map[string]*patch.Definition{}
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := patch.Parse(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cat.Create(t.Context(), d, nil); err != nil {
			t.Fatal(err)
		}
		want[d.ID] = d
	}
	cat = open(t, s, nil)
	if cat.Len() != 150 {
		t.Errorf("%d titles, want 150", cat.Len())
	}
	for id, d := range want {
		got, title, err := cat.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
		if title.Summary != got.Summary() {
			t.Errorf("%s: the summary %+v differs from the definition's", id, title.Summary)
		}
	}
}

// Pretty indents ordinary definitions, and not those that would grow many times as large.
func TestPrettyIsBounded(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	deep := strings.Repeat("[", 50) + strings.Repeat("1,", 20_000) + "1" + strings.Repeat("]", 50)
	for _, c := range []struct {
		name, member string
		indented     bool
	}{
		{"ordinary", `"x"`, true},
		{"many short elements, far in", deep, false},
		{"brackets in strings", `"` + strings.Repeat("[{,", 50_000) + `"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			def := definition("App", "1")
			def.Extra = []patch.Field{{Name: "x", Value: []byte(c.member)}}
			if _, err := cat.Create(t.Context(), def, nil); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cat.Delete(t.Context(), "App", nil) }()
			doc, err := cat.Definition(t.Context(), "App")
			if err != nil {
				t.Fatal(err)
			}
			pretty := doc.Pretty().Bytes()
			if indented := !bytes.Equal(pretty, doc.Bytes()); indented != c.indented {
				t.Errorf("indented: %v; %d bytes from %d", indented, len(pretty), len(doc.Bytes()))
			}
			if !json.Valid(pretty) || len(pretty) > 4*len(doc.Bytes())+4096 {
				t.Errorf("%d bytes become %d", len(doc.Bytes()), len(pretty))
			}
		})
	}
}

// A title that is created with the id of a deleted one has a later time, whatever the clock does.
func TestRecreatedTitlesHaveLaterTimes(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := memstore.New()
	opts := &catalog.Options{Now: func() time.Time { return now }}
	cat := open(t, s, opts)
	for i := range 4 {
		create(t, cat, "App", strconv.Itoa(i))
		doc, err := cat.Definition(t.Context(), "App")
		if err != nil {
			t.Fatal(err)
		}
		if !doc.Changed().After(now) {
			t.Errorf("changed %v, want a time after %v, at which clients read the earlier title", doc.Changed(), now)
		}
		cat.Software()
		seen := cat.Changed()
		if again := open(t, s, opts); !again.Changed().After(now) || again.Changed().Before(seen) {
			t.Errorf("after a restart the list has the time %v, before it %v", again.Changed(), seen)
		}
		if err := cat.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
	}
}
