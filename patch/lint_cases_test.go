package patch_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// lintCases are changes to a definition without faults, and the warnings about them. In a path, # stands for the
// index of the last requirement, @ for that of the last extension attribute.
var lintCases = []struct {
	name string
	edit func(*patch.Definition)
	want string // the code and the path of each warning
}{
	{"clean", nil, ""},
	{"empty publisher", func(d *patch.Definition) { d.Publisher = "" }, "publisher /publisher"},
	{"bundleId of another application", bundleID("com.example.other"), "bundle-id /bundleId"},
	{"no bundleId", func(d *patch.Definition) { d.BundleID = nil }, ""},
	{"bundleId of a kill app", func(d *patch.Definition) {
		bundleID("k")(d)
		d.Patches[1].KillApps = []patch.KillApp{{BundleID: "k"}}
	}, ""},
	{"bundleId by regex", func(d *patch.Definition) {
		bundleID("c.x")(d)
		require("Application Bundle ID", "matches regex", `^c\.x$`)(d)
	}, ""},
	{"bundleId that only begins alike", func(d *patch.Definition) {
		bundleID("com.foo")(d)
		require("Application Bundle ID", "is", "com.foobar")(d)
	}, "bundle-id /bundleId"},
	{"lastModified in the last year", func(d *patch.Definition) {
		d.LastModified = "9999-12-31T23:59:59Z"
	}, "last-modified /lastModified"},

	{"unused attribute", func(d *patch.Definition) {
		a := patch.ExtensionAttribute{Key: "k", Value: script("#!/bin/sh\necho '<result>1</result>'")}
		d.ExtensionAttributes = append(d.ExtensionAttributes, a)
	}, "unused-attribute /extensionAttributes/@/key"},
	{"good attribute", attribute("k", "#!/bin/sh\necho '<result>1</result>'"), ""},
	{"no interpreter", attribute("k", "echo '<result>1</result>'"),
		"script-interpreter /extensionAttributes/@/value"},
	{"empty script", attribute("k", ""),
		"script-result /extensionAttributes/@/value script-interpreter /extensionAttributes/@/value"},

	{"unknown recon criterion", require("application bundle id", "is", "x"), "criterion-name /requirements/#/name"},
	{"number operator", require("Total RAM MB", "more than", "8"), ""},
	{"number with an operator for strings", require("Total RAM MB", "like", "8"), "operator /requirements/#/operator"},
	{"operator for titles", require("Application Title", "has", "x"), ""},

	{"regex with syntax that Go lacks", matches(`^(?=1)(?<!x)(a)\1(?>b)c++\d{3}+$`), ""},
	{"regex with a huge repetition", matches(`^\d{1,5000}$`), ""},
	{"regex with classes of brackets", matches(`[^\\(](?!x)|[!-\\(](?=a)`), ""},
	{"regex with a repeated repetition", matches(`a{2}{3}`), ""},
	{"regex with PCRE's options", matches(`(*UTF8)a`), ""},
	{"regex with a reversed repetition", matches(`a{3,1}`), "regex /requirements/#/value"},
	{"regex with an open bracket", matches(`^[0-9$`), "regex /requirements/#/value"},
	{"regex with a reversed range", require("Application Version", "does not match regex", `[z-a]`),
		"regex /requirements/#/value"},
	{"regex with nothing to repeat", matches(`*`), "regex /requirements/#/value"},
	{"regex with an escaped backslash and an open group", matches(`\\(`), "regex /requirements/#/value"},
	{"a value that looks like a regex", require("Application Version", "is", `[`), ""},
	{"regex that is too long", matches(strings.Repeat("(", patch.MaxRegexLength+1)),
		"regex-too-long /requirements/#/value"},
	{"regex of maximum length", matches(strings.Repeat("a", patch.MaxRegexLength)), ""},

	{"another minimum in other words", func(d *patch.Definition) {
		c := &d.Patches[0].Capabilities[0]
		c.Operator, c.Value = "greater than", "99"
	}, "minimum-os /patches/0/minimumOperatingSystem"},
	{"minimum OS in another notation", func(d *patch.Definition) { d.Patches[0].MinimumOperatingSystem += ".0" }, ""},
	{"another version in other words", func(d *patch.Definition) {
		c := &d.Patches[0].Components[0].Criteria[1]
		c.Operator, c.Value = "like", "99"
	}, "criterion-version /patches/0/components/0/criteria/1/value"},
	{"alternatives of one version", func(d *patch.Definition) {
		c := &d.Patches[0].Components[0]
		no := false
		other := recon("Application Version", "is", "x")
		other.And = &no
		c.Criteria = append([]patch.Criterion{other}, c.Criteria...)
		c.Criteria[2].And = c.Criteria[1].And // without it, there would be another warning
	}, ""},
	{"and missing beside an OR", func(d *patch.Definition) {
		p, no := &d.Patches[0], false
		p.Components[0].Criteria[0].And, p.Components[0].Criteria[1].And = &no, nil
		p.Capabilities[0].And = &no
		p.Capabilities = append(p.Capabilities, d.Patches[1].Capabilities[0])
	}, "criterion-and /patches/0/components/0/criteria/1/and criterion-and /patches/0/capabilities/1/and"},
	{"and missing where all are AND", func(d *patch.Definition) {
		d.Patches[0].Components[0].Criteria[0].And = nil
	}, ""},

	{"a disabled title", func(d *patch.Definition) { d.Extra = enabled("false") }, "enabled-ignored /enabled"},
	{"a disabled patch", func(d *patch.Definition) { d.Patches[1] = patch.Patch{Version: "9", Disabled: true} }, ""},
	{"order around a disabled patch", func(d *patch.Definition) {
		older, newer := d.Patches[1], d.Patches[0]
		d.Patches = []patch.Patch{older, {Version: "5", Disabled: true}, newer}
		d.CurrentVersion = older.Version
	}, "order /patches/2/version"},
	{"an enabled title", func(d *patch.Definition) { d.Extra = enabled("true") }, ""},

	{"same version in two notations", func(d *patch.Definition) {
		p := d.Patches[0]
		p.Version += ".0"
		p.Components = nil
		d.Patches = slices.Insert(d.Patches, 1, p)
	}, "same-version /patches/1/version components /patches/1/components"},
	{"version of a component", func(d *patch.Definition) { d.Patches[1].Components[0].Version = "x" },
		"component-version /patches/1/components/0/version"},
	{"component without criteria", func(d *patch.Definition) { d.Patches[0].Components[0].Criteria = nil },
		"component-criteria /patches/0/components/0/criteria"},
	{"swapped, with dates in version order", func(d *patch.Definition) {
		d.Patches[0], d.Patches[1] = d.Patches[1], d.Patches[0]
	}, "current-version /currentVersion order /patches/1/version"},
	{"reversed dates of one line", dates("1.2.1", "2017-03-01T00:00:00Z", "1.2.0", "2018-02-28T00:00:00Z"),
		"dates /patches/0/releaseDate"},
	{"reversed dates of one line, a day apart", dates("1.2.1", "2018-03-01T23:00:00Z", "1.2.0", "2018-03-02T00:00:00Z"),
		""},
	{"reversed dates of two lines", dates("1.3.0", "2017-03-01T00:00:00Z", "1.2.9", "2018-03-01T00:00:00Z"), ""},
	{"reversed dates of a line of two numbers", dates("1.2.1", "2017-03-01T00:00:00Z", "1.2", "2018-03-01T00:00:00Z"),
		"dates /patches/0/releaseDate"},
}

// recon returns a criterion on the inventory.
func recon(name, operator, value string) patch.Criterion {
	yes := true
	return patch.Criterion{Name: name, Operator: operator, Value: value, Type: "recon", And: &yes}
}

// require adds a requirement on the inventory.
func require(name, operator, value string) func(*patch.Definition) {
	return func(d *patch.Definition) { d.Requirements = append(d.Requirements, recon(name, operator, value)) }
}

// matches adds a requirement with a regular expression.
func matches(expr string) func(*patch.Definition) {
	return require("Application Version", "matches regex", expr)
}

// attribute adds an extension attribute, and a requirement that uses it.
func attribute(key, text string) func(*patch.Definition) {
	return func(d *patch.Definition) {
		a := patch.ExtensionAttribute{Key: key, Value: script(text), DisplayName: key}
		d.ExtensionAttributes = append(d.ExtensionAttributes, a)
		c := recon(key, "is", "x")
		c.Type = "extensionAttribute"
		d.Requirements = append(d.Requirements, c)
	}
}

func bundleID(id string) func(*patch.Definition) {
	return func(d *patch.Definition) { d.BundleID = &id }
}

func enabled(value string) []patch.Field {
	return []patch.Field{{Name: "enabled", Value: json.RawMessage(value)}}
}

// dates leaves two versions with release dates.
func dates(newer, newerDate, older, olderDate string) func(*patch.Definition) {
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
