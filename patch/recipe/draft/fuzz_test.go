package draft_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"howett.net/plist"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/patch/recipe/draft"
	"github.com/patchsource/patchsource/sync/releases"
)

// checkDraft checks the laws of drafts: a recipe is invalid only where it has gaps, a gap is listed once, guesses have
// a place and a sentence of limited length, its kind accepts the feed, and a recipe without gaps can be written and
// read.
func checkDraft(t *testing.T, d *draft.Draft) {
	t.Helper()
	gaps := map[string]bool{}
	for _, gap := range d.Gaps {
		if gaps[gap] {
			t.Errorf("the gap %s is listed twice", gap)
		}
		gaps[gap] = true
	}
	for _, g := range d.Guesses {
		if !strings.HasPrefix(g.Path, "/") || g.Why == "" || len(g.Why) > 1000 {
			t.Errorf("the guess %+v has no path, no reason or a long one", g)
		}
	}
	kinds, err := releases.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := kinds.Check(d.Recipe.Watch()); err != nil && !gaps["/feed"] {
		t.Errorf("the feed is no gap, but %v", err)
	}
	err = d.Recipe.Validate()
	var invalid *patch.ValidationError
	if errors.As(err, &invalid) {
		for _, f := range invalid.Failures {
			if gap, _, _ := strings.Cut(f.Path[1:], "/"); !gaps["/"+gap] {
				t.Errorf("%s is no gap, but %s", gap, f)
			}
		}
		return
	}
	data, err := json.Marshal(d.Recipe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := recipe.Parse(data); err != nil {
		t.Errorf("Parse(%s): %v", data, err)
	}
}

func FuzzFromCask(f *testing.F) {
	f.Add([]byte(notes))
	f.Add([]byte(`{"token":"é-a@b","name":["\u202e"],"url":"https://gitlab.com/a/-/releases/v1/x","version":"1,2"}`))
	f.Add([]byte(`{"token":"a","artifacts":[{"app":["a/b",{"target":"/"}]},` +
		`{"zap":[{"delete":["/Preferences/a.b.plist"]}]}]}`))
	f.Add([]byte(`{"casks":[{"token":"firefox"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := draft.FromCask(data); err == nil {
			checkDraft(t, d)
		} else if !errors.Is(err, patch.ErrInvalid) && !errors.Is(err, patch.ErrTooLarge) {
			t.Errorf("FromCask: %v, want ErrInvalid or ErrTooLarge", err)
		}
	})
}

func FuzzFromApplication(f *testing.F) {
	f.Add(info(f, plist.XMLFormat, map[string]any{"SUFeedURL": "https://a.example/"}), "A.app", []byte(nil))
	f.Add(info(f, plist.BinaryFormat, nil), "", []byte("provider: generic\nurl: https://a.example/\n"))
	f.Fuzz(func(t *testing.T, plist []byte, name string, config []byte) {
		d, err := draft.FromApplication(draft.Application{InfoPlist: plist, AppName: name, UpdateConfig: config})
		if err == nil {
			checkDraft(t, d)
		} else if !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("FromApplication: %v, want ErrInvalid", err)
		}
	})
}

// The cost of a draft is proportional to the size of its source, whatever its content.
func TestDraftsAreLinear(t *testing.T) {
	repeat := func(before, part, after string) func(n int) []byte {
		return func(n int) []byte {
			return []byte(before + strings.TrimSuffix(strings.Repeat(part, n/len(part)), ",") + after)
		}
	}
	for _, c := range []struct {
		name string
		make func(n int) []byte
	}{
		{"artifacts", repeat(`{"token":"a","artifacts":[`, `{},`, `]}`)},
		{"numbers", repeat(`{"token":"a","name":[`, `1,`, `]}`)},
		{"files", repeat(`{"token":"a","artifacts":[{"zap":[{"trash":[`, `"/Caches/a.b",`, `]}]}]}`)},
		{"a long token", repeat(`{"token":"`, `a-`, `"}`)},
		{"a long address", repeat(
			`{"token":"a","version":"1","url":"https://github.com/a/b/releases/download/`, `1/`, `"}`)},
		{"casks", repeat(`{"casks":[`, `1,`, `]}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				text := c.make(n)
				return func() { _, _ = draft.FromCask(text) }
			}, 128<<10)
		})
	}
	for _, c := range []struct {
		name string
		make func(n int) []byte
	}{
		{"keys", repeat(`<plist version="1.0"><dict>`, `<key>CFBundleName</key><string>v</string>`, `</dict></plist>`)},
		{"nested", repeat(`<plist version="1.0"><dict>`, `<key>k</key><dict>`, ``)},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				app := draft.Application{InfoPlist: c.make(n)}
				return func() { _, _ = draft.FromApplication(app) }
			}, 50<<10)
		})
	}
}
