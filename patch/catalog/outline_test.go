package catalog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// outlined returns the JSON of a definition with the given versions, in which what an outline looks for occurs in other
// places too.
func outlined(versions ...string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"App","name":"\"patches\":[","publisher":"","appName":null,"bundleId":null,` +
		`"lastModified":"2026-01-01T00:00:00Z","currentVersion":` + quote(versions[0]) + `,` +
		`"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true,"patches":[]}],"patches":[`)
	for i, v := range versions {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(outlinedPatch(v))
	}
	b.WriteString(`],"extensionAttributes":[],"more":{"patches":[{"version":"1"}]}}`)
	return b.Bytes()
}

func outlinedPatch(version string) string {
	return `{"version":` + quote(version) + `,"releaseDate":"2026-01-01T00:00:00Z","standalone":true,` +
		`"minimumOperatingSystem":"10.13","reboot":false,"killApps":[],"components":[],"capabilities":[],` +
		`"dependencies":[],"note":[{"version":"}],"}]}`
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// An edit of a definition by its outline makes the same definition as an edit of the parsed one, and the outline that
// is read from it.
func TestOutline(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	text := outlined(`3"\é`, "2", `1\`)
	rec := &record{definition: text}
	if _, err := rec.parse(); err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		want, err := parseStored(rec.definition)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newVersionEdit("App", rec)
		if err != nil {
			t.Fatal(err)
		}
		if s.outline == nil {
			t.Fatalf("no outline of %s", rec.definition)
		}
		near := want.Patches[rnd.IntN(len(want.Patches))].Version
		given := someVersions(t, rnd, n)
		edit := func(d *patch.Definition) error {
			at := []patch.Position{{}, patch.Ordered(), patch.Before(near), patch.After(near)}[n%4]
			return d.AddPatches(at, now, given...)
		}
		if n%3 == 0 && len(want.Patches) > 3 {
			given = nil
			edit = func(d *patch.Definition) error { return d.RemovePatch(near, now) }
		}
		if err := edit(want); err != nil {
			t.Fatal(err)
		}
		if err := edit(&s.next); err != nil {
			t.Fatal(err)
		}
		if err := s.keep(given); err != nil {
			t.Fatal(err)
		}
		if err := s.read(func(i int) bool { return i%5 == n%5 }); err != nil {
			t.Fatal(err)
		}
		for i := range want.Patches {
			if (s.added[i] || i%5 == n%5) && !reflect.DeepEqual(s.next.Patches[i], want.Patches[i]) {
				t.Fatalf("edit %d, patch %d: %+v, want %+v", n, i, s.next.Patches[i], want.Patches[i])
			}
		}
		made, err := s.edited(nil)
		if err != nil {
			t.Fatal(err)
		}
		wantText, err := want.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made.text, wantText) {
			t.Fatalf("edit %d makes\n%s, want\n%s", n, made.text, wantText)
		}
		read, err := readOutline(made.text)
		if err != nil || !reflect.DeepEqual(made.outline, read) {
			t.Fatalf("edit %d has the outline %+v, want %+v (%v)", n, made.outline, read, err)
		}
		if made.parsed != nil {
			if again, err := made.parsed.MarshalJSON(); err != nil || !bytes.Equal(again, wantText) {
				t.Fatalf("edit %d: the parsed definition is %s (%v), want %s", n, again, err, wantText)
			}
		}
		rec = &record{definition: made.text}
		if n%10 < 7 { // else the outline is read
			f := rec.facts()
			f.outline, f.parsed = made.outline, made.parsed
		}
	}
}

// someVersions returns up to three versions that differ for each n.
func someVersions(t *testing.T, rnd *rand.Rand, n int) (all []patch.Patch) {
	for i := range 1 + rnd.IntN(3) {
		p, err := parseStoredPatch([]byte(outlinedPatch(fmt.Sprintf("%d.%d.%d", rnd.IntN(5), n, i))))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *p)
	}
	return all
}

// A definition that is not in canonical form has no outline and is edited nevertheless.
func TestNoOutline(t *testing.T) {
	text := outlined("2", "1")
	for name, other := range map[string][]byte{
		"space":          bytes.Replace(text, []byte(`[{"version":"2"`), []byte(`[ {"version":"2"`), 1),
		"other order":    bytes.Replace(text, []byte(`{"version":"2",`), []byte(`{"x":1,"version":"2",`), 1),
		"after a patch":  bytes.Replace(text, []byte(`},{"version":"1"`), []byte(`} ,{"version":"1"`), 1),
		"in the title":   bytes.Replace(text, []byte(`"publisher":""`), []byte(`"publisher": ""`), 1),
		"escaped":        bytes.Replace(text, []byte(`"id":"App"`), []byte(`"id":"\u0041pp"`), 1),
		"without a list": []byte(`{"id":"App"}`),
		"cut off":        text[:len(text)/2],
		"empty":          nil,
	} {
		if bytes.Equal(text, other) {
			t.Fatalf("%s: nothing was replaced", name)
		}
		if o, err := readOutline(other); err == nil {
			t.Errorf("%s: the outline is %+v", name, o)
		}
	}
	spaced := slices.Insert(slices.Clone(text), 1, ' ')
	s, err := newVersionEdit("App", &record{definition: spaced})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.next.RemovePatch("1", time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	made, err := s.edited(nil)
	if want := bytes.Replace(outlined("2"), []byte("00:00:00Z"), []byte("00:00:01Z"), 1); err != nil ||
		!bytes.Equal(made.text, want) {
		t.Errorf("the edit makes %s (%v), want %s", made.text, err, want)
	}
}
