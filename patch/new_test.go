package patch_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

var released = time.Date(2018, 2, 2, 18, 39, 58, 0, time.FixedZone("", 3600))

func someApp() patch.Application {
	return patch.Application{
		Name: "Some App", BundleID: "com.example.some", Version: "1.2", MinimumOS: "10.13", Released: released,
	}
}

func TestNewDefinition(t *testing.T) {
	d, err := patch.NewDefinition(someApp())
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	const bundleID = `{"name":"Application Bundle ID","operator":"is","value":"com.example.some","type":"recon",` +
		`"and":true}`
	want := `{"id":"SomeApp","name":"Some App","publisher":"Some App","appName":"Some App.app",` +
		`"bundleId":"com.example.some","currentVersion":"1.2","requirements":[` + bundleID + `],` +
		`"patches":[{"version":"1.2",` +
		`"releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.13","reboot":false,` +
		`"killApps":[{"bundleId":"com.example.some","appName":"Some App.app"}],"components":[{"name":"Some App",` +
		`"version":"1.2","criteria":[` + bundleID +
		`,{"name":"Application Version","operator":"is","value":"1.2","type":"recon"}]}],` +
		`"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"10.13",` +
		`"type":"recon"}],"dependencies":[]}],"extensionAttributes":[]}`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Error(diff)
	}
	d.Complete(now)
	if _, err := patch.Parse(out, nil); err != nil {
		t.Error(err)
	}
	if warnings := patch.Lint(d, &patch.LintOptions{Now: now}); len(warnings) != 0 {
		t.Errorf("Lint = %+v, want no warnings", warnings)
	}

	app := someApp()
	app.ID, app.FileName, app.Publisher = "other", "Other.app", "Vendor"
	d, err = patch.NewDefinition(app)
	if err != nil || d.ID != "other" || *d.AppName != "Other.app" || d.Publisher != "Vendor" ||
		d.Patches[0].KillApps[0].AppName != "Other.app" {
		t.Errorf("with every field set: %+v, %v", d, err)
	}
}

// The parts of a new definition share no memory, so that one can be changed without the others.
func TestNewDefinitionSharesNothing(t *testing.T) {
	d, err := patch.NewDefinition(someApp())
	if err != nil {
		t.Fatal(err)
	}
	before, after := d.Requirements[0], d.Patches[0].Components[0].Criteria[0]
	if before.And == after.And {
		t.Error("a requirement and a criterion share memory")
	}
	*before.And = false
	if !*after.And {
		t.Error("a change of a requirement changes a criterion")
	}
}

func TestNewDefinitionRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		edit  func(*patch.Application)
		paths []string
	}{
		{"nothing", func(a *patch.Application) { *a = patch.Application{} }, []string{
			"/name", "/bundleId", "/patches/0/minimumOperatingSystem", "/patches/0/releaseDate", "/patches/0/version",
		}},
		{"no version", func(a *patch.Application) { a.Version = "" }, []string{"/patches/0/version"}},
		{"no release date", func(a *patch.Application) { a.Released = time.Time{} },
			[]string{"/patches/0/releaseDate"}},
		{"an invisible character", func(a *patch.Application) { a.Name = "A\u202e" }, []string{"/name", "/publisher"}},
		{"nothing left for an id", func(a *patch.Application) { a.Name = "株式" }, []string{"/id"}},
		{"a bad id", func(a *patch.Application) { a.ID = "a b" }, []string{"/id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := someApp()
			c.edit(&app)
			_, err := patch.NewDefinition(app)
			if diff := cmp.Diff(c.paths, failurePaths(t, err)); diff != "" {
				t.Errorf("%v: %s", err, diff)
			}
		})
	}
}

// FuzzNewDefinition checks that a definition is either refused or valid and free of warnings, and that the same is
// true of its next version.
func FuzzNewDefinition(f *testing.F) {
	f.Add("Some App", "com.example.some", "1.2", "10.13", "1.3")
	f.Add("A", "*", "8u171", "latest", "8")
	f.Add("\xff", "a\x00", "(1)", "", "\u202e")
	f.Fuzz(func(t *testing.T, name, bundleID, version, minimumOS, next string) {
		d, err := patch.NewDefinition(patch.Application{
			Name: name, BundleID: bundleID, Version: version, MinimumOS: minimumOS, Released: released,
		})
		if err != nil {
			failurePaths(t, err) // fails unless it is a ValidationError
			return
		}
		if warnings := patch.Lint(d, &patch.LintOptions{Now: now}); len(warnings) != 0 || d.Validate() != nil {
			t.Fatalf("Lint = %+v, Validate = %v", warnings, d.Validate())
		}
		p := d.Patches[0].NextVersion(next, now)
		if p.Validate() != nil {
			return
		}
		d.Patches, d.CurrentVersion = []patch.Patch{p}, next
		if warnings := patch.Lint(d, &patch.LintOptions{Now: now}); len(warnings) != 0 || d.Validate() != nil {
			t.Fatalf("of the next version: Lint = %+v, Validate = %v", warnings, d.Validate())
		}
	})
}

func TestNextVersion(t *testing.T) {
	const text = `{"version":"10.13","releaseDate":"2018-02-02T17:39:58Z",
		"standalone":true,"minimumOperatingSystem":"10.13","reboot":false,
		"killApps":[{"bundleId":"b","appName":"10.13","x":"10.13"}],
		"components":[{"name":"10.13","version":"10.13","criteria":[
			{"name":"Application Version","operator":"is","value":"10.13","type":"recon","y":"10.13"},
			{"name":"Application Version","operator":"like","value":"10.1","type":"recon"},
			{"name":"Application Version","operator":"matches regex","value":"^10\\.13$","type":"recon"},
			{"name":"k","operator":"is","value":"10.13","type":"extensionAttribute"}]}],
		"capabilities":[
			{"name":"Operating System Version","operator":"greater than or equal","value":"10.13","type":"recon"},
			{"name":"k","operator":"is not","value":"10.13","type":"extensionAttribute"},
			{"name":"Application Version","operator":"is not","value":"10.13","type":"recon"}],
		"dependencies":["10.13"],"patchId":7,"label":"10.13","nested":{"v":"10.13"}}`
	p, err := patch.ParsePatch([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := p.Clone()
	next := p.NextVersion("10.14", now)
	want := strings.NewReplacer(
		`{"version":"10.13"`, `{"version":"10.14"`,
		`2018-02-02T17:39:58Z`, `2026-05-01T12:00:00Z`,
		`"x":"10.13"`, `"x":"10.14"`,
		`{"name":"10.13","version":"10.13"`, `{"name":"10.14","version":"10.14"`,
		`"value":"10.13","type":"recon","y":"10.13"`, `"value":"10.14","type":"recon","y":"10.14"`,
		`"is","value":"10.13","type":"extensionAttribute"`, `"is","value":"10.14","type":"extensionAttribute"`,
		`"is not","value":"10.13"`, `"is not","value":"10.14"`,
		`"label":"10.13"`, `"label":"10.14"`,
	).Replace(text)
	out, err := json.Marshal(next)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decode(t, []byte(want)), decode(t, out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, *p); diff != "" {
		t.Errorf("NextVersion changed the earlier version: %s", diff)
	}
	shared(t, "", reflect.ValueOf(*p), reflect.ValueOf(next))
	if undated := p.NextVersion("10.14", time.Time{}); undated.ReleaseDate != "" {
		t.Errorf("without a time, the release date is %q", undated.ReleaseDate)
	}
}

// The next version of a real title has the same warnings as the earlier one.
func TestNextVersionOfCorpus(t *testing.T) {
	for name, data := range corpus(t) {
		d, err := patch.Parse(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := codesOf(d.Patches[0])
		next := d.Patches[0].NextVersion("999999", now)
		shared(t, name, reflect.ValueOf(d.Patches[0]), reflect.ValueOf(next))
		if after := codesOf(next); !slices.Equal(before, after) {
			t.Errorf("%s: warnings %v, want %v", name, after, before)
		}
		if err := d.AddPatches(patch.Position{}, now, next); err != nil || d.Validate() != nil {
			t.Errorf("%s: %v, %v", name, err, d.Validate())
		}
	}
}

// codesOf returns the codes of the warnings about a patch.
func codesOf(p patch.Patch) (codes []string) {
	for _, w := range patch.Lint(&patch.Definition{Patches: []patch.Patch{p}}, nil) {
		codes = append(codes, w.Code)
	}
	return codes
}
