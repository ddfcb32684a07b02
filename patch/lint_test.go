package patch_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// lintNow is the time at which the corpus was made.
var lintNow = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func parseFile(t testing.TB, name string) *patch.Definition {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := patch.Parse(data, nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// Each file of the corpus has one fault, and lint warns about it alone.
func TestLintCorpus(t *testing.T) {
	data, err := os.ReadFile("testdata/lint/index.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File  string
		Paths []string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			var got []string
			d := parseFile(t, filepath.Join("testdata/lint", c.File))
			for _, w := range patch.Lint(d, &patch.LintOptions{Now: lintNow}) {
				got = append(got, w.Path)
				t.Log(w)
			}
			if strings.Join(got, " ") != strings.Join(c.Paths, " ") {
				t.Errorf("warnings at %q, want %q", got, c.Paths)
			}
		})
	}
}

// lintTitle returns a definition without faults, changed by f.
func lintTitle(t testing.TB, f func(*patch.Definition)) *patch.Definition {
	t.Helper()
	d := parseFile(t, "testdata/lint/clean.json")
	if f != nil {
		f(d)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	return d
}

// script returns the value of an extension attribute with this script.
func script(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestLintRules(t *testing.T) {
	for _, c := range lintCases {
		t.Run(c.name, func(t *testing.T) {
			d := lintTitle(t, c.edit)
			var got []string
			for _, w := range patch.Lint(d, &patch.LintOptions{Now: lintNow}) {
				got = append(got, w.Code+" "+w.Path)
				if w.Message == "" || w.Error {
					t.Errorf("the warning %+v has no message, or is an error", w)
				}
			}
			want := strings.ReplaceAll(c.want, "#", fmt.Sprint(len(d.Requirements)-1))
			want = strings.ReplaceAll(want, "@", fmt.Sprint(len(d.ExtensionAttributes)-1))
			if strings.Join(got, " ") != want {
				t.Errorf("Lint = %q, want %q", got, want)
			}
		})
	}
}

func TestLintOptions(t *testing.T) {
	d := lintTitle(t, func(d *patch.Definition) { d.Publisher = ""; d.CurrentVersion = "x" })
	w := patch.Lint(
		d,
		&patch.LintOptions{Off: []string{"publisher"}, Errors: []string{"current-version"}},
	)
	if len(w) != 1 || w[0].Code != "current-version" || !w[0].Error {
		t.Errorf("Lint = %+v, want one error about currentVersion", w)
	}
	future := lintTitle(t, func(d *patch.Definition) { d.Patches[0].ReleaseDate = "9000-01-01T00:00:00Z" })
	if w := patch.Lint(future, nil); len(w) != 0 {
		t.Errorf("Lint without Now = %+v, want no warnings", w)
	}
}

// Every code that lint returns is that of one rule.
func TestRules(t *testing.T) {
	known := map[string]bool{}
	for _, r := range patch.Rules() {
		if known[r.Code] || r.Summary == "" {
			t.Errorf("the rule %+v is a duplicate, or has no summary", r)
		}
		known[r.Code] = true
	}
	files, err := filepath.Glob("testdata/lint/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if filepath.Base(name) == "index.json" {
			continue
		}
		for _, w := range patch.Lint(parseFile(t, name), &patch.LintOptions{Now: lintNow}) {
			if !known[w.Code] {
				t.Errorf("no rule has the code %s", w.Code)
			}
		}
	}
}

// FuzzLint checks that lint does not panic on what Parse accepts, that its memory is limited, and that Fix keeps a
// definition valid, removes what it reports, and changes nothing the second time.
func FuzzLint(f *testing.F) {
	f.Add([]byte(minimal))
	files, _ := filepath.Glob("testdata/lint/*.json")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := patch.Parse(data, nil)
		if err != nil {
			return
		}
		var warnings []patch.Warning
		patchtest.Bounded(t, len(data), func() { warnings = patch.Lint(d, &patch.LintOptions{Now: lintNow}) })
		for _, w := range warnings {
			if w.Code == "" || w.Message == "" || !strings.HasPrefix(w.Path, "/") {
				t.Fatalf("the warning %+v is incomplete", w)
			}
		}
		fixed := patch.Fix(d, &patch.LintOptions{Now: lintNow})
		if err := d.Validate(); err != nil {
			t.Fatalf("Fix made the definition invalid: %v", err)
		}
		codes := map[string]bool{}
		for _, w := range fixed {
			codes[w.Code] = true
		}
		for _, w := range patch.Lint(d, &patch.LintOptions{Now: lintNow}) {
			if codes[w.Code] && w.Fix != "" {
				t.Fatalf("the warning remains after Fix: %+v", w)
			}
		}
		once, _ := json.Marshal(d)
		again := patch.Fix(d, &patch.LintOptions{Now: lintNow})
		twice, _ := json.Marshal(d)
		if len(again) != 0 || string(once) != string(twice) {
			t.Fatalf("Fix is not idempotent: %+v\n%s", again, cmp.Diff(string(once), string(twice)))
		}
	})
}

// The limit of warnings hides neither errors nor the warnings that About selects.
func TestLintIsBounded(t *testing.T) {
	d := lintTitle(t, nil)
	p := d.Patches[0]
	p.Capabilities = nil
	d.Patches = nil
	for i := range 1500 {
		p.Version = fmt.Sprint(2000 - i)
		d.Patches = append(d.Patches, p)
	}
	d.CurrentVersion = d.Patches[0].Version
	d.Patches[1499].Components = nil
	all := patch.Lint(d, &patch.LintOptions{Errors: []string{"components"}})
	if len(all) != patch.MaxFailures+1 || !all[len(all)-1].Error {
		t.Errorf("Lint returns %d warnings, want %d and an error at the end", len(all), patch.MaxFailures)
	}
	last := func(_, path string) bool { return path == "/patches/1499/components" }
	if about := patch.Lint(d, &patch.LintOptions{About: last}); len(about) != 1 {
		t.Errorf("Lint with About = %+v, want one warning", about)
	}
}
