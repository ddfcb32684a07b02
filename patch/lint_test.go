package patch_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// lintNow is when the corpus was made.
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

// Each file of the corpus has one fault, and lint names its place and no other.
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
			for _, w := range patch.Lint(parseFile(t, filepath.Join("testdata/lint", c.File)), &patch.LintOptions{Now: lintNow}) {
				got = append(got, w.Path)
				t.Log(w)
			}
			if strings.Join(got, " ") != strings.Join(c.Paths, " ") {
				t.Errorf("warnings at %q, want %q", got, c.Paths)
			}
		})
	}
}

// lintTitle is a definition without fault, changed by f.
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

func script(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestLintRules(t *testing.T) {
	no := false
	criterion := func(name, operator, value, kind string) patch.Criterion {
		yes := true
		return patch.Criterion{Name: name, Operator: operator, Value: value, Type: kind, And: &yes}
	}
	require := func(c patch.Criterion) func(*patch.Definition) {
		return func(d *patch.Definition) { d.Requirements = append(d.Requirements, c) }
	}
	attribute := func(key, text string) func(*patch.Definition) {
		return func(d *patch.Definition) {
			d.ExtensionAttributes = append(
				d.ExtensionAttributes,
				patch.ExtensionAttribute{Key: key, Value: script(text), DisplayName: key},
			)
			d.Requirements = append(d.Requirements, criterion(key, "is", "x", "extensionAttribute"))
		}
	}
	dates := func(newer, newerDate, older, olderDate string) func(*patch.Definition) {
		return func(d *patch.Definition) {
			d.Patches = d.Patches[:2]
			for i, v := range []struct{ version, date string }{{newer, newerDate}, {older, olderDate}} {
				p := &d.Patches[i]
				p.Version, p.ReleaseDate = v.version, v.date
				p.Components[0].Version, p.Components[0].Criteria[1].Value = v.version, v.version
			}
			d.CurrentVersion = newer
		}
	}
	for _, c := range []struct {
		name string
		edit func(*patch.Definition)
		want string // code path, …
	}{
		{"clean", nil, ""},
		{"empty publisher", func(d *patch.Definition) { d.Publisher = "" }, "publisher /publisher"},
		{"foreign bundleId", func(d *patch.Definition) { s := "com.example.other"; d.BundleID = &s }, "bundle-id /bundleId"},
		{"no bundleId", func(d *patch.Definition) { d.BundleID = nil }, ""},
		{"bundleId of a killApp", func(d *patch.Definition) {
			s := "k"
			d.BundleID = &s
			d.Patches[1].KillApps = []patch.KillApp{{BundleID: "k"}}
		}, ""},
		{"unused attribute", func(d *patch.Definition) {
			d.ExtensionAttributes = append(d.ExtensionAttributes, patch.ExtensionAttribute{Key: "k", Value: script("#!/bin/sh\necho '<result>1</result>'")})
		}, "unused-attribute /extensionAttributes/@/key"},
		{"good attribute", attribute("k", "#!/bin/sh\necho '<result>1</result>'"), ""},
		{"no interpreter", attribute("k", "echo '<result>1</result>'"), "script-interpreter /extensionAttributes/@/value"},
		{"empty script", attribute("k", ""), "script-result /extensionAttributes/@/value script-interpreter /extensionAttributes/@/value"},
		{"unknown recon criterion", require(criterion("application bundle id", "is", "x", "recon")), "criterion-name /requirements/#/name"},
		{"number operator", require(criterion("Total RAM MB", "more than", "8", "recon")), ""},
		{"number with a string's operator", require(criterion("Total RAM MB", "like", "8", "recon")), "operator /requirements/#/operator"},
		{"title's operator", require(criterion("Application Title", "has", "x", "recon")), ""},
		{"regex with what Go has not", require(criterion("Application Version", "matches regex", `^(?=1)(?<!x)(a)\1(?>b)c++\d{3}+$`, "recon")), ""},
		{"regex with a huge repeat", require(criterion("Application Version", "matches regex", `^\d{1,5000}$`, "recon")), ""},
		{"regex with classes of odd characters", require(criterion("Application Version", "matches regex", `[^\\(](?!x)|[!-\\(](?=a)`, "recon")), ""},
		{"regex with a repetition repeated", require(criterion("Application Version", "matches regex", `a{2}{3}`, "recon")), ""},
		{"regex with PCRE's options", require(criterion("Application Version", "matches regex", `(*UTF8)a`, "recon")), ""},
		{"regex with a repetition upside down", require(criterion("Application Version", "matches regex", `a{3,1}`, "recon")), "regex /requirements/#/value"},
		{"bundleId by regex", func(d *patch.Definition) {
			s := "c.x"
			d.BundleID = &s
			d.Requirements = append(d.Requirements, criterion("Application Bundle ID", "matches regex", `^c\.x$`, "recon"))
		}, ""},
		{"bundleId that only looks alike", func(d *patch.Definition) {
			s := "com.foo"
			d.BundleID = &s
			d.Requirements = append(d.Requirements, criterion("Application Bundle ID", "is", "com.foobar", "recon"))
		}, "bundle-id /bundleId"},
		{"another minimum in other words", func(d *patch.Definition) {
			d.Patches[0].Capabilities[0].Operator, d.Patches[0].Capabilities[0].Value = "greater than", "99"
		}, "minimum-os /patches/0/minimumOperatingSystem"},
		{"another version in other words", func(d *patch.Definition) {
			d.Patches[0].Components[0].Criteria[1].Operator, d.Patches[0].Components[0].Criteria[1].Value = "like", "99"
		}, "criterion-version /patches/0/components/0/criteria/1/value"},
		{"lastModified at the end of time", func(d *patch.Definition) { d.LastModified = "9999-12-31T23:59:59Z" }, "last-modified /lastModified"},
		{"regex with an open bracket", require(criterion("Application Version", "matches regex", `^[0-9$`, "recon")), "regex /requirements/#/value"},
		{"regex with a range upside down", require(criterion("Application Version", "does not match regex", `[z-a]`, "recon")), "regex /requirements/#/value"},
		{"regex with nothing to repeat", require(criterion("Application Version", "matches regex", `*`, "recon")), "regex /requirements/#/value"},
		{"escaped backslash, open group", require(criterion("Application Version", "matches regex", `\\(`, "recon")), "regex /requirements/#/value"},
		{"what only looks like a regex", require(criterion("Application Version", "is", `[`, "recon")), ""},
		{"same version in two notations", func(d *patch.Definition) {
			p := d.Patches[0]
			p.Version += ".0"
			p.Components = nil
			d.Patches = slices.Insert(d.Patches, 1, p)
		}, "same-version /patches/1/version components /patches/1/components"},
		{"alternatives of one version", func(d *patch.Definition) {
			c := &d.Patches[0].Components[0]
			other := criterion("Application Version", "is", "x", "recon")
			other.And = &no
			c.Criteria = append([]patch.Criterion{other}, c.Criteria...)
			c.Criteria[2].And = c.Criteria[1].And // beside an OR, left out would be a guess
		}, ""},
		{"and left out beside an OR", func(d *patch.Definition) {
			c := &d.Patches[0].Components[0]
			c.Criteria[0].And, c.Criteria[1].And = &no, nil
			d.Patches[0].Capabilities[0].And = &no
			d.Patches[0].Capabilities = append(d.Patches[0].Capabilities, d.Patches[1].Capabilities[0])
		}, "criterion-and /patches/0/components/0/criteria/1/and criterion-and /patches/0/capabilities/1/and"},
		{"and left out where all are AND", func(d *patch.Definition) {
			d.Patches[0].Components[0].Criteria[0].And = nil
		}, ""},
		{"a disabled title", func(d *patch.Definition) {
			d.Extra = []patch.Field{{Name: "enabled", Value: json.RawMessage("false")}}
		}, "enabled-ignored /enabled"},
		{"a disabled patch", func(d *patch.Definition) {
			d.Patches[1].Extra = []patch.Field{{Name: "enabled", Value: json.RawMessage("false")}}
		}, "enabled-ignored /patches/1/enabled"},
		{"enabled", func(d *patch.Definition) {
			d.Extra = []patch.Field{{Name: "enabled", Value: json.RawMessage("true")}}
		}, ""},
		{"regex too long", require(criterion("Application Version", "matches regex",
			strings.Repeat("(", patch.MaxRegexLength+1), "recon")), "regex-too-long /requirements/#/value"},
		{"regex as long as may be", require(criterion("Application Version", "matches regex",
			strings.Repeat("a", patch.MaxRegexLength), "recon")), ""},
		{"dates of one line reversed", dates("1.2.1", "2017-03-01T00:00:00Z", "1.2.0", "2018-02-28T00:00:00Z"),
			"dates /patches/0/releaseDate"},
		{"dates of one line, a day apart", dates("1.2.1", "2018-03-01T23:00:00Z", "1.2.0", "2018-03-02T00:00:00Z"), ""},
		{"dates of two lines", dates("1.3.0", "2017-03-01T00:00:00Z", "1.2.9", "2018-03-01T00:00:00Z"), ""},
		{"dates of one line, of two numbers", dates("1.2.1", "2017-03-01T00:00:00Z", "1.2", "2018-03-01T00:00:00Z"),
			"dates /patches/0/releaseDate"},
		{"component's version", func(d *patch.Definition) { d.Patches[1].Components[0].Version = "x" }, "component-version /patches/1/components/0/version"},
		{"component without criteria", func(d *patch.Definition) { d.Patches[0].Components[0].Criteria = nil }, "component-criteria /patches/0/components/0/criteria"},
		{"minimum OS in another notation", func(d *patch.Definition) { d.Patches[0].MinimumOperatingSystem += ".0" }, ""},
		{"swapped, dates right for the order of versions", func(d *patch.Definition) { d.Patches[0], d.Patches[1] = d.Patches[1], d.Patches[0] }, "current-version /currentVersion order /patches/1/version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := lintTitle(t, c.edit)
			var got []string
			for _, w := range patch.Lint(d, &patch.LintOptions{Now: lintNow}) {
				got = append(got, w.Code+" "+w.Path)
				if w.Message == "" || w.Error {
					t.Errorf("%+v", w)
				}
			}
			want := strings.ReplaceAll(c.want, "#", fmt.Sprint(len(d.Requirements)-1))
			want = strings.ReplaceAll(want, "@", fmt.Sprint(len(d.ExtensionAttributes)-1))
			if strings.Join(got, " ") != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestLintOptions(t *testing.T) {
	d := lintTitle(t, func(d *patch.Definition) { d.Publisher = ""; d.CurrentVersion = "x" })
	w := patch.Lint(
		d,
		&patch.LintOptions{Off: []string{patch.CodePublisher}, Errors: []string{patch.CodeCurrentVersion}},
	)
	if len(w) != 1 || w[0].Code != patch.CodeCurrentVersion || !w[0].Error {
		t.Errorf("%+v", w)
	}
	future := lintTitle(t, func(d *patch.Definition) { d.Patches[0].ReleaseDate = "9000-01-01T00:00:00Z" })
	if w := patch.Lint(future, nil); len(w) != 0 {
		t.Errorf("without a clock: %+v", w)
	}
}

// Every code that lint gives is one of Rules, once.
func TestRules(t *testing.T) {
	known := map[string]bool{}
	for _, r := range patch.Rules() {
		if known[r.Code] || r.Summary == "" {
			t.Errorf("%+v", r)
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
				t.Errorf("%s is no rule", w.Code)
			}
		}
	}
}

func TestFix(t *testing.T) {
	d := lintTitle(t, nil)
	p := d.Patches[0]
	good := p.Version
	twin := p
	twin.Version += ".0"
	c := p.Components[0]
	c.Version = twin.Version
	c.Criteria = slices.Clone(c.Criteria)
	c.Criteria[1].Value = twin.Version
	twin.Components = []patch.Component{c}
	late := twin
	late.Version += ".0"
	late.ReleaseDate = "2018-12-01T00:00:00Z"
	d.Patches[1].Components[0].Version = "x"
	d.Patches = append(slices.Clone(d.Patches[1:]), twin, p, late)
	d.CurrentVersion = "old"
	mended := patch.Fix(d, &patch.LintOptions{Now: now})
	codes := map[string]int{}
	for _, w := range mended {
		codes[w.Code]++
	}
	if codes[patch.CodeOrder] == 0 || codes[patch.CodeCurrentVersion] != 1 || codes[patch.CodeComponentVersion] == 0 ||
		codes[patch.CodeSameVersion] != 1 {
		t.Errorf("mended %v", codes)
	}
	vs := versions(d)
	if !slices.IsSortedFunc(vs, func(a, b string) int { return patch.OrderVersions(b, a) }) ||
		d.CurrentVersion != vs[0] {
		t.Errorf("%q, current %s", vs, d.CurrentVersion)
	}
	if !slices.Contains(vs, late.Version) || slices.Contains(vs, good) == slices.Contains(vs, twin.Version) {
		t.Errorf("of three notations of one version, one of two of one date and the one of another date stay: %q", vs)
	}
	if d.LastModified != patch.FormatTime(now) {
		t.Errorf("lastModified %s", d.LastModified)
	}
	last := d.LastModified
	if again := patch.Fix(d, &patch.LintOptions{Now: now.Add(time.Hour)}); len(again) != 0 || d.LastModified != last {
		t.Errorf("again: %+v", again)
	}
	off := lintTitle(t, func(d *patch.Definition) { d.Patches[0], d.Patches[1] = d.Patches[1], d.Patches[0] })
	if mended := patch.Fix(off, &patch.LintOptions{Off: []string{patch.CodeOrder, patch.CodeCurrentVersion}}); len(
		mended,
	) != 0 {
		t.Errorf("rules that are off: %+v", mended)
	}
}

// FuzzLint: lint does not panic on what Parse accepts and takes no more memory for
// it than it should, and what Fix mends stays mended, valid, and the same the
// second time.
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
				t.Fatalf("%+v", w)
			}
		}
		mended := patch.Fix(d, &patch.LintOptions{Now: lintNow})
		if err := d.Validate(); err != nil {
			t.Fatalf("Fix made it invalid: %v", err)
		}
		fixed := map[string]bool{}
		for _, w := range mended {
			fixed[w.Code] = true
		}
		for _, w := range patch.Lint(d, &patch.LintOptions{Now: lintNow}) {
			if fixed[w.Code] && w.Fix != "" {
				t.Fatalf("still there after Fix: %+v", w)
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

// No number of warnings hides an error, or what was asked about.
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
	all := patch.Lint(d, &patch.LintOptions{Errors: []string{patch.CodeComponents}})
	if len(all) != patch.MaxFailures+1 || !all[len(all)-1].Error {
		t.Errorf("%d warnings", len(all))
	}
	about := patch.Lint(
		d,
		&patch.LintOptions{About: func(_, path string) bool { return path == "/patches/1499/components" }},
	)
	if len(about) != 1 {
		t.Errorf("%+v", about)
	}
}

func TestFixKeepsWhatIsNotTheSame(t *testing.T) {
	d := lintTitle(t, nil)
	better := d.Patches[0]
	worse := better
	worse.Version += ".0"
	worse.Components, worse.Capabilities = nil, nil
	d.Patches = append([]patch.Patch{worse}, d.Patches...)
	d.CurrentVersion = worse.Version
	patch.Fix(d, nil)
	if d.FindPatch(better.Version) < 0 || d.FindPatch(worse.Version) < 0 {
		t.Errorf("%q", versions(d))
	}
	d = lintTitle(t, func(d *patch.Definition) { d.LastModified = "9999-12-31T23:59:59Z"; d.CurrentVersion = "x" })
	if patch.Fix(d, &patch.LintOptions{Now: now}); d.Validate() != nil {
		t.Errorf("%v", d.Validate())
	}
}
