package patch_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 999, time.UTC)

// title returns a complete definition with these versions.
func title(t testing.TB, versions ...string) *patch.Definition {
	t.Helper()
	d, err := patch.Parse([]byte(minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Patches[0]
	d.Patches = nil
	for _, v := range versions {
		p.Version = v
		d.Patches = append(d.Patches, p)
	}
	d.LastModified = "2018-02-02T17:39:58Z"
	d.Complete(now)
	return d
}

func versions(d *patch.Definition) (vs []string) {
	for _, p := range d.Patches {
		vs = append(vs, p.Version)
	}
	return vs
}

func TestAddPatches(t *testing.T) {
	for _, c := range []struct {
		name      string
		have, add string
		at        patch.Position
		want      string // the versions afterwards
		err       error
	}{
		{"front by default", "2 1", "3", patch.Position{}, "3 2 1", nil},
		{"a block keeps its order", "2 1", "4 3", patch.Position{}, "4 3 2 1", nil},
		{"before", "3 1", "2", patch.Before("1"), "3 2 1", nil},
		{"before the first", "3 1", "4", patch.Before("3"), "4 3 1", nil},
		{"after", "3 1", "2", patch.After("3"), "3 2 1", nil},
		{"after the last", "3 1", "0", patch.After("1"), "3 1 0", nil},
		{"a block after", "9 1", "5 4", patch.After("9"), "9 5 4 1", nil},
		{"ordered", "1.4 1.3 1.0", "1.10", patch.Ordered(), "1.10 1.4 1.3 1.0", nil},
		{"ordered in the middle", "1.4 1.3 1.0", "1.3.5", patch.Ordered(), "1.4 1.3.5 1.3 1.0", nil},
		{"ordered at the end", "1.4 1.3", "1.4b1 1", patch.Ordered(), "1.4 1.4b1 1.3 1", nil},
		{"ordered next to an equal one", "1.4 1.3", "1.4.0", patch.Ordered(), "1.4.0 1.4 1.3", nil},
		{"ordered among unordered ones", "1 5 3", "4 2", patch.Ordered(), "4 2 1 5 3", nil},
		{"several ordered", "1.4 1.2", "1.1 1.5 1.3", patch.Ordered(), "1.5 1.4 1.3 1.2 1.1", nil},
		{"exists", "2 1", "1", patch.Position{}, "2 1", patch.ErrVersionExists},
		{"one of two exists", "2 1", "3 1", patch.Position{}, "2 1", patch.ErrVersionExists},
		{"given twice", "2 1", "3 3", patch.Position{}, "2 1", patch.ErrVersionExists},
		{"before an unknown version", "2 1", "3", patch.Before("9"), "2 1", patch.ErrPosition},
		{"after an unknown version", "2 1", "3", patch.After(""), "2 1", patch.ErrPosition},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := title(t, strings.Fields(c.have)...)
			before := d.LastModified
			err := d.AddPatches(c.at, now, title(t, strings.Fields(c.add)...).Patches...)
			if !errors.Is(err, c.err) {
				t.Fatalf("AddPatches = %v, want %v", err, c.err)
			}
			if got := strings.Join(versions(d), " "); got != c.want {
				t.Errorf("the versions are %s, want %s", got, c.want)
			}
			if d.CurrentVersion != d.Patches[0].Version {
				t.Errorf("currentVersion is %s, want %s", d.CurrentVersion, d.Patches[0].Version)
			}
			if moved := d.LastModified > before; moved != (c.err == nil) {
				t.Errorf("lastModified changed from %s to %s, and the error is %v", before, d.LastModified, err)
			}
		})
	}
}

func TestRemovePatch(t *testing.T) {
	d := title(t, "3", "2", "1")
	patches := d.Patches
	if err := d.RemovePatch("3", now); err != nil || d.CurrentVersion != "2" ||
		d.LastModified != "2026-05-01T12:00:00Z" {
		t.Errorf("RemovePatch = %v, and the summary %+v", err, d.Summary())
	}
	if patches[0].Version != "3" || patches[1].Version != "2" {
		t.Error("RemovePatch changes the elements of the old slice")
	}
	if err := d.RemovePatch("3", now); !errors.Is(err, patch.ErrVersionNotFound) {
		t.Errorf("RemovePatch again = %v, want ErrVersionNotFound", err)
	}
	if err := d.RemovePatch("1", now); err != nil {
		t.Error(err)
	}
	if err := d.RemovePatch("2", now); !errors.Is(err, patch.ErrLastVersion) || len(d.Patches) != 1 {
		t.Errorf("RemovePatch of the last version = %v, want ErrLastVersion", err)
	}
}

func TestReplacePatch(t *testing.T) {
	d := title(t, "2", "1")
	last := d.LastModified
	if err := d.ReplacePatch("1", d.Patches[1], now); err != nil || d.LastModified != last {
		t.Errorf("ReplacePatch by an equal patch = %v, and lastModified %s, want no change", err, d.LastModified)
	}
	p := d.Patches[0]
	p.Version, p.Reboot = "2.1", true
	if err := d.ReplacePatch("2", p, now); err != nil || d.CurrentVersion != "2.1" || d.LastModified == last ||
		!d.Patches[0].Reboot {
		t.Errorf("ReplacePatch = %v, and the summary %+v", err, d.Summary())
	}
	p.Version = "1"
	if err := d.ReplacePatch("2.1", p, now); !errors.Is(err, patch.ErrVersionExists) {
		t.Errorf("ReplacePatch by an existing version = %v, want ErrVersionExists", err)
	}
	if err := d.ReplacePatch("9", p, now); !errors.Is(err, patch.ErrVersionNotFound) {
		t.Errorf("ReplacePatch of an unknown version = %v, want ErrVersionNotFound", err)
	}
}

func TestLastModifiedAdvances(t *testing.T) {
	d := title(t, "1")
	for i, c := range []struct{ last, want string }{
		{"2018-02-02T17:39:58Z", "2026-05-01T12:00:00Z"},
		{"2026-05-01T12:00:00Z", "2026-05-01T12:00:01Z"},        // the same second
		{"2030-01-01T00:00:00.9+01:00", "2029-12-31T23:00:01Z"}, // the future
		{"9999-01-01T00:00:00Z", "9999-01-01T00:00:01Z"},
	} {
		d.LastModified = c.last
		p := d.Patches[0]
		p.Version = "x" + string(rune('a'+i))
		if err := d.AddPatches(patch.Position{}, now, p); err != nil {
			t.Fatal(err)
		}
		if d.LastModified != c.want {
			t.Errorf("lastModified advances from %s to %s, want %s", c.last, d.LastModified, c.want)
		}
	}
}

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		name, last, current string
		want                string
	}{
		{"absent", "", "", "2026-05-01T12:00:00Z"},
		{"kept", "2018-02-02T17:39:58Z", "2", "2018-02-02T17:39:58Z"},
		{"converted to UTC seconds", "2018-02-02T18:39:58.75+01:00", "2", "2018-02-02T17:39:58Z"},
		{"in the last year", "9998-12-31T23:59:59Z", "2", "2026-05-01T12:00:00Z"},
		{"stale currentVersion", "2018-02-02T17:39:58Z", "1", "2018-02-02T17:39:58Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := title(t, "2", "1")
			d.LastModified, d.CurrentVersion = c.last, c.current
			d.Complete(now)
			if d.LastModified != c.want || d.CurrentVersion != "2" {
				t.Errorf("lastModified %s, currentVersion %s, want %s and 2", d.LastModified, d.CurrentVersion, c.want)
			}
		})
	}
}

func TestSupersede(t *testing.T) {
	old := title(t, "1")
	same := title(t, "1")
	same.ID, same.LastModified, same.CurrentVersion = "A", "", ""
	same.ExtensionAttributes = nil // written like the empty list of old
	if changed := same.Supersede(old, now); changed || same.LastModified != old.LastModified || same.ID != "a" {
		t.Errorf("Supersede with the same content = %v, and the summary %+v", changed, same.Summary())
	}
	next := title(t, "2", "1")
	next.LastModified = "2001-01-01T00:00:00Z"
	if changed := next.Supersede(old, now); !changed || next.LastModified != "2026-05-01T12:00:00Z" ||
		next.CurrentVersion != "2" {
		t.Errorf("Supersede = %v, and the summary %+v", changed, next.Summary())
	}
}

func TestAuthorID(t *testing.T) {
	for _, c := range []struct{ author, want string }{
		{"Bryson", "Bryson"},
		{"Ann Lee", "Ann_Lee"},
		{"  Ann\u00a0Lee ", "Ann_Lee"},
		{"José Núñez", "Jose_Nunez"},
		{"Jose\u0301 Nu\u0301n\u0303ez", "Jose_Nunez"}, // decomposed
		{"Søren Łukasz", "Soren_Lukasz"},
		{"Nguyễn Văn A", "Nguyen_Van_A"},
		{"O'Brien & Sons, Ltd.", "OBrien__Sons_Ltd."},
		{"a/b\\c", "abc"},
		{"李 Li", "_Li"},
		{"", ""}, {"   ", ""}, {"中文", ""}, {"...", ""}, {"a\nb", ""}, {"\xff", ""}, {"___", ""},
	} {
		got, err := patch.AuthorID(c.author)
		if got != c.want || (err != nil) != (c.want == "") || err != nil && !errors.Is(err, patch.ErrAuthor) {
			t.Errorf("AuthorID(%q) = %q, %v; want %q", c.author, got, err, c.want)
		}
	}
}

func TestNamespace(t *testing.T) {
	d := title(t, "1")
	d.ID, d.Name = "Xcode", "Xcode"
	err := d.Namespace("José Núñez")
	if err != nil || d.ID != "Xcode_Jose_Nunez" || d.Name != "Xcode (José Núñez)" {
		t.Errorf("Namespace = %v, and the title %s, %s", err, d.ID, d.Name)
	}
	d.ID = strings.Repeat("a", 250)
	name := d.Name
	if err := d.Namespace("Bryson"); !errors.Is(err, patch.ErrAuthor) || len(d.ID) != 250 || d.Name != name {
		t.Errorf("Namespace of a long id = %v, and the title %s, %s, want ErrAuthor and no change", err, d.ID, d.Name)
	}
}

func FuzzAuthorID(f *testing.F) {
	f.Add("José Núñez")
	f.Add("\u0000")
	f.Fuzz(func(t *testing.T, author string) {
		var id string
		var err error
		patchtest.Bounded(t, len(author), func() {
			_, _ = patch.CheckAuthor(author), patch.Skeleton(author)
			id, err = patch.AuthorID(author)
		})
		if err == nil && !patch.ValidID(id[:min(len(id), patch.MaxIDLength)]) {
			t.Errorf("AuthorID(%q) = %q, which an id cannot have", author, id)
		}
	})
}

func TestSummary(t *testing.T) {
	d := title(t, "2", "1")
	out, err := json.Marshal(d.Summary())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"A","publisher":"P","lastModified":"2018-02-02T17:39:58Z","currentVersion":"2","id":"a"}`
	if string(out) != want {
		t.Errorf("json.Marshal = %s\nwant %s", out, want)
	}
}

// FuzzEdits applies random edits and checks that the title keeps its invariants.
func FuzzEdits(f *testing.F) {
	f.Add([]byte("f3b1o2r1x"))
	f.Fuzz(func(t *testing.T, script []byte) {
		d := title(t, "5", "1")
		for i := 0; i+2 < len(script); i += 3 {
			before, _ := json.Marshal(d)
			last := d.LastModified
			err := randomEdit(d, script[i], string(script[i+1]%16+'0'), string(script[i+2]%16+'0'))
			after, _ := json.Marshal(d)
			changed := string(before) != string(after)
			if err != nil && changed {
				t.Fatalf("an edit failed (%v) and changed the definition: %s", err,
					cmp.Diff(string(before), string(after)))
			}
			if changed && d.LastModified <= last {
				t.Fatalf("lastModified %s did not advance", d.LastModified)
			}
			checkInvariants(t, d, after)
		}
	})
}

// randomEdit applies one of several edits with the versions v and w.
func randomEdit(d *patch.Definition, edit byte, v, w string) error {
	p := d.Patches[0]
	p.Version = v
	switch edit % 6 {
	case 0:
		return d.AddPatches(patch.Position{}, now, p)
	case 1:
		return d.AddPatches(patch.Before(w), now, p)
	case 2:
		return d.AddPatches(patch.After(w), now, p)
	case 3:
		return d.AddPatches(patch.Ordered(), now, p)
	case 4:
		return d.RemovePatch(v, now)
	default:
		return d.ReplacePatch(w, p, now)
	}
}

// checkInvariants checks that a definition is valid and complete, that its versions are unique, and that its JSON is
// accepted.
func checkInvariants(t *testing.T, d *patch.Definition, data []byte) {
	t.Helper()
	if _, err := patch.Parse(data, nil); err != nil {
		t.Fatalf("the JSON of a valid definition is refused: %v", err)
	}
	if err := d.Validate(); err != nil || d.CurrentVersion != d.Patches[0].Version {
		t.Fatalf("Validate = %v; currentVersion is %s of %v", err, d.CurrentVersion, versions(d))
	}
	if vs := versions(d); len(slices.Compact(slices.Sorted(slices.Values(vs)))) != len(vs) {
		t.Fatalf("the versions %v are not unique", vs)
	}
}
