package patch_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name   string
		before string // versions
		after  string
		edit   func(*patch.Definition) // applied to after
		want   string
	}{
		{"no change", "2 1", "2 1", nil, "nothing changed"},
		{"derived fields", "2 1", "2 1", func(d *patch.Definition) {
			d.LastModified, d.CurrentVersion = "x", "y"
		}, "nothing changed"},
		{"and missing is true", "1", "1", func(d *patch.Definition) {
			d.Requirements[0].And = nil
		}, "nothing changed"},
		{"added in front", "9.3", "9.4 9.3", nil, "version 9.4 added in front"},
		{"added and changed", "9.3", "9.4 9.3", func(d *patch.Definition) {
			d.Patches[1].MinimumOperatingSystem = "10.13"
		}, "version 9.4 added in front; minimum OS of 9.3 changed from 10.9 to 10.13"},
		{"added between and at the end", "3 1", "3 2 1 0", nil, "version 2 added after 3; version 0 added at the end"},
		{"removed", "3 2 1", "3 1", nil, "version 2 removed"},
		{"one moved", "4 3 2 1", "1 4 3 2", nil, "version 1 moved in front"},
		{"two swapped", "3 2 1", "2 3 1", nil, "version 2 moved in front"},
		{"fields of the title", "1", "1", func(d *patch.Definition) {
			bundleID := "b"
			d.Name, d.Publisher, d.BundleID = "B", "", &bundleID
		}, `name changed from A to B; publisher changed from P to ""; bundle id changed from null to b`},
		{"reboot", "1", "1", func(d *patch.Definition) {
			d.Patches[0].Reboot = true
		}, "reboot of 1 changed from false to true"},
		{"requirement", "1", "1", func(d *patch.Definition) {
			d.Requirements[0].Value = "w"
		}, `requirement removed: n is "v"; requirement added: n is "w"`},
		{"requirements added and reordered", "1", "1", func(d *patch.Definition) {
			r := d.Requirements[0]
			a, b := r, r
			a.Value, b.Value = "a", "b"
			d.Requirements = []patch.Criterion{b, r, a}
		}, `requirement added: n is "b"; requirement added: n is "a"`},
		{"kill app", "1", "1", func(d *patch.Definition) {
			d.Patches[0].KillApps = []patch.KillApp{{AppName: "A.app", BundleID: "a"}}
		}, "kill app of 1 added: A.app (a)"},
		{"component", "1", "1", func(d *patch.Definition) {
			d.Patches[0].Components = []patch.Component{{Name: "c", Version: "1"}}
		}, "component of 1 added: c 1 ()"},
		{"attribute", "1", "1", func(d *patch.Definition) {
			d.ExtensionAttributes = []patch.ExtensionAttribute{{Key: "k"}}
		}, "extension attribute k added"},
		{"unknown member", "1", "1", func(d *patch.Definition) {
			d.Extra = []patch.Field{{Name: "x", Value: json.RawMessage("7")}}
		}, "x added: 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := title(t, strings.Fields(c.before)...), title(t, strings.Fields(c.after)...)
			after.Patches, after.Requirements = slices.Clone(after.Patches), slices.Clone(after.Requirements)
			if c.edit != nil {
				c.edit(after)
			}
			diff := patch.Diff(before, after)
			if got := diff.String(); got != c.want {
				t.Errorf("Diff = %q, want %q", got, c.want)
			}
			for _, change := range diff {
				if change.Path == "" || change.Kind == "" {
					t.Errorf("the change %+v has no path or no kind", change)
				}
			}
		})
	}
}

func TestDiffWithin(t *testing.T) {
	clean := parseFile(t, "testdata/lint/clean.json")
	changed := parseFile(t, "testdata/lint/clean.json")
	p := &changed.Patches[0]
	p.Components[0].Criteria[1].Value = "9"
	p.Capabilities[0].Value = "11"
	diff := patch.Diff(clean, changed)
	if len(diff) != 4 || diff[0].Path != "/patches/0/components/0/criteria/1" || diff[0].Version != p.Version ||
		diff[3].Path != "/patches/0/capabilities/0" || diff[3].Kind != patch.Added {
		t.Errorf("Diff = %+v, want a criterion and a capability removed and added", diff)
	}
}

func TestLongDifference(t *testing.T) {
	after := title(t, strings.Fields("x1 "+manyVersions(40))...)
	if s := patch.Diff(title(t, "0"), after).String(); !strings.HasSuffix(s, "and 22 more changes") {
		t.Errorf("String() = %s, want the number of further changes at the end", s)
	}
}

func manyVersions(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" v" + strings.Repeat("1", i+1))
	}
	return b.String()
}

// FuzzDiff checks that a definition does not differ from itself, and that a difference is there in both directions.
func FuzzDiff(f *testing.F) {
	f.Add([]byte(minimal), []byte(strings.Replace(minimal, `"version":"1"`, `"version":"2"`, 1)))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, errX := patch.Parse(a, nil)
		y, errY := patch.Parse(b, nil)
		if errX != nil || errY != nil {
			return
		}
		if d := patch.Diff(x, x); len(d) != 0 {
			t.Fatalf("a definition differs from itself: %v", d)
		}
		var there, back patch.Difference
		patchtest.Bounded(t, len(a)+len(b), func() { there, back = patch.Diff(x, y), patch.Diff(y, x) })
		if (len(there) == 0) != (len(back) == 0) {
			t.Fatalf("a difference in one direction only: %v\n%v", there, back)
		}
	})
}

// The order of criteria matters, also if one is added; and the path of a removed part is the earlier one.
func TestDiffOrderAndPaths(t *testing.T) {
	before := title(t, "1")
	r := before.Requirements[0]
	or := r
	no := false
	or.And, or.Value = &no, "or"
	before.Requirements = []patch.Criterion{r, or}
	before.Patches[0].KillApps = []patch.KillApp{{AppName: "A.app", BundleID: "a"}}
	after := title(t, "2", "1")
	third := r
	third.Value = "third"
	after.Requirements = []patch.Criterion{or, r, third}
	diff := patch.Diff(before, after)
	want := `requirement added: n is "third"; requirement put in another order; version 2 added in front; ` +
		`kill app of 1 removed: A.app (a)`
	if diff.String() != want || diff[3].Path != "/patches/0/killApps/0" {
		t.Errorf("Diff = %s, and its last change %+v, want %s", diff, diff[3], want)
	}
}
