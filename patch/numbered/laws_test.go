package numbered_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// criterion returns a criterion with a value.
func criterion(value string) patch.Criterion {
	yes := true
	return patch.Criterion{Name: "Application Version", Operator: "is", Value: value, Type: "recon", And: &yes}
}

// version returns a patch with a part of each kind.
func version(v string) patch.Patch {
	return patch.Patch{
		Version:  v,
		KillApps: []patch.KillApp{{BundleID: "com.example." + v}},
		Components: []patch.Component{{Name: "C", Version: v, Criteria: []patch.Criterion{criterion("a"),
			criterion(v)}}},
		Capabilities: []patch.Criterion{criterion("12")},
	}
}

// definition returns a definition with these versions.
func definition(versions ...string) *patch.Definition {
	d := &patch.Definition{
		ID:                  "A",
		Requirements:        []patch.Criterion{criterion("r")},
		ExtensionAttributes: []patch.ExtensionAttribute{{Key: "k"}},
	}
	for _, v := range versions {
		d.Patches = append(d.Patches, version(v))
	}
	return d
}

// filled returns a title with these versions in which every part has a number.
func filled(t testing.TB, versions ...string) *numbered.Title {
	t.Helper()
	d := definition(versions...)
	title := numbered.NewTitle(numbered.New(3, d), d, true, time.Time{})
	fill(t, title)
	return title
}

func fill(t testing.TB, title *numbered.Title) {
	t.Helper()
	if err := title.Numbers.Fill(); err != nil {
		t.Fatal(err)
	}
}

// numbersOf returns all numbers of the parts of a title, in the order of the definition.
func numbersOf(title *numbered.Title) (all []uint64) {
	n := &title.Numbers
	all = append(all, n.Requirements...)
	for _, p := range n.Patches {
		all = append(append(all, p.Number), p.KillApps...)
		for _, c := range p.Components {
			all = append(append(all, c.Number), c.Criteria...)
		}
		all = append(all, p.Capabilities...)
	}
	return append(all, n.ExtensionAttributes...)
}

// places returns the places of all parts of a title.
func places(title *numbered.Title) (all []numbered.Place) {
	list := func(kind numbered.Kind, version, component, n int) {
		for i := range n {
			all = append(all, numbered.Place{Kind: kind, Patch: version, Component: component, Index: i})
		}
	}
	d := title.Definition
	list(numbered.Requirement, 0, 0, len(d.Requirements))
	for i, p := range d.Patches {
		all = append(all, numbered.Place{Kind: numbered.Patch, Patch: i, Index: i})
		list(numbered.KillApp, i, 0, len(p.KillApps))
		for j, c := range p.Components {
			all = append(all, numbered.Place{Kind: numbered.Component, Patch: i, Component: j, Index: j})
			list(numbered.Criterion, i, j, len(c.Criteria))
		}
		list(numbered.Capability, i, 0, len(p.Capabilities))
	}
	list(numbered.ExtensionAttribute, 0, 0, len(d.ExtensionAttributes))
	return all
}

// randomEdit makes a random edit by a method of the title.
func randomEdit(r *rand.Rand, title *numbered.Title, step int) {
	d := title.Definition
	all := places(title)
	value := fmt.Sprint(r.IntN(3)) // often equal to another
	switch r.IntN(8) {
	case 0:
		title.AddPatch(r.IntN(3)-1, version(fmt.Sprint("v", step)))
	case 1:
		title.AddRequirement(r.IntN(3)-1, criterion(value))
	case 2:
		title.AddExtensionAttribute(patch.ExtensionAttribute{Key: fmt.Sprint("k", step)})
	case 3, 4:
		if len(all) > 0 {
			title.Move(all[r.IntN(len(all))], r.IntN(4))
		}
	case 5:
		if len(all) > 0 {
			title.Remove(all[r.IntN(len(all))])
		}
	default:
		if len(d.Patches) == 0 {
			return
		}
		i := r.IntN(len(d.Patches))
		switch r.IntN(4) {
		case 0:
			title.AddKillApp(i, patch.KillApp{BundleID: value})
		case 1:
			title.AddComponent(i, patch.Component{Name: value})
		case 2:
			title.AddCapability(i, r.IntN(3)-1, criterion(value))
		case 3:
			if n := len(d.Patches[i].Components); n > 0 {
				title.AddCriterion(i, r.IntN(n), r.IntN(3)-1, criterion(value))
			}
		}
	}
}

// randomReplacement returns a definition that was edited without numbers.
func randomReplacement(r *rand.Rand, d *patch.Definition, step int) *patch.Definition {
	other := numbered.NewTitle(numbered.New(9, d), d, true, time.Time{})
	for i := range r.IntN(4) {
		randomEdit(r, other, 1000*(i+1)+step)
	}
	return other.Definition
}

// checkFound checks that the part at a place is found by its number.
func checkFound(t *testing.T, title *numbered.Title, p numbered.Place, n uint64) {
	t.Helper()
	if found, ok := title.Find(p.Kind, n); !ok || found != p || title.NumberOf(p) != n {
		t.Fatalf("the part %v with the number %d is found at %v, %v", p, n, found, ok)
	}
}

// checkRoundTrip checks that the numbers of a title survive Encode and Decode.
func checkRoundTrip(t *testing.T, title *numbered.Title) {
	t.Helper()
	data, err := title.Numbers.Encode(title.Definition)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := numbered.Decode(data, title.Numbers.Title, title.Definition)
	if diff := cmp.Diff(title.Numbers, decoded); err != nil || diff != "" {
		t.Fatalf("%s is decoded with the error %v and the difference\n%s", data, err, diff)
	}
}

func TestNumbersAreUniqueAndNeverUsedAgain(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		title := filled(t, "2", "1")
		used := map[uint64]bool{} // every number that was ever given
		gone := map[uint64]bool{}
		for step := range 100 {
			before := numbersOf(title)
			if r.IntN(3) == 0 {
				after := randomReplacement(r, title.Definition, step)
				title = numbered.NewTitle(title.Numbers.Carry(title.Definition, after), after, true, time.Time{})
			} else {
				randomEdit(r, title, step)
			}
			for _, n := range numbersOf(title) {
				if n != 0 && !slices.Contains(before, n) {
					t.Fatalf("seed %d, step %d: an edit has made the number %d", seed, step, n)
				}
			}
			fill(t, title)
			now := numbersOf(title)
			seen := map[uint64]bool{}
			for i, p := range places(title) {
				n := now[i]
				if seen[n] || gone[n] || n == 0 || numbered.Block(n) != title.Numbers.Title {
					t.Fatalf("seed %d, step %d: the number %d is used twice, again, or of another title", seed, step, n)
				}
				seen[n], used[n] = true, true
				checkFound(t, title, p, n)
			}
			for n := range used {
				gone[n] = !seen[n]
			}
			checkRoundTrip(t, title)
		}
	}
}

func TestMethodsKeepTheNumbersOfOtherParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for step := range 2000 {
		title := filled(t, "3", "2", "1")
		contents := map[uint64]string{}
		for _, p := range places(title) {
			contents[title.NumberOf(p)] = content(title, p)
		}
		randomEdit(r, title, step)
		changed := 0
		for _, p := range places(title) {
			n := title.NumberOf(p)
			if n == 0 {
				continue
			}
			// A patch or a component contains the part that was added, moved or removed.
			if was := contents[n]; was != content(title, p) {
				changed++
			}
		}
		if changed > 2 {
			t.Fatalf("step %d: %d parts have another content under their numbers", step, changed)
		}
	}
}

// content describes the part at a place.
func content(title *numbered.Title, p numbered.Place) string {
	switch p.Kind {
	case numbered.Patch:
		return fmt.Sprintf("%+v", *title.Patch(p))
	case numbered.KillApp:
		return fmt.Sprintf("%+v", *title.KillApp(p))
	case numbered.Component:
		return fmt.Sprintf("%+v", *title.Component(p))
	case numbered.ExtensionAttribute:
		return fmt.Sprintf("%+v", *title.ExtensionAttribute(p))
	}
	return title.Criterion(p).Value
}

func TestCarryOfNoChangeIsNoChange(t *testing.T) {
	title := filled(t, "2", "1")
	carried := title.Numbers.Carry(title.Definition, title.Definition.Clone())
	if diff := cmp.Diff(title.Numbers, carried); diff != "" {
		t.Error(diff)
	}
}

func TestCarry(t *testing.T) {
	title := filled(t, "2", "1")
	n := title.Numbers
	after := title.Definition.Clone()
	p := version("3")
	after.Patches = []patch.Patch{p, after.Patches[1], after.Patches[0]}
	c := &after.Patches[1].Components[0]
	c.Criteria[0], c.Criteria[1] = c.Criteria[1], c.Criteria[0]
	after.Patches[2].Capabilities[0].Value = "13"
	after.Requirements = append([]patch.Criterion{criterion("new")}, after.Requirements...)
	got := n.Carry(title.Definition, after)
	for _, test := range []struct {
		name      string
		got, want uint64
	}{
		{"a new version", got.Patches[0].Number, 0},
		{"a moved version", got.Patches[1].Number, n.Patches[1].Number},
		{"equal criteria that were exchanged", got.Patches[1].Components[0].Criteria[0],
			n.Patches[1].Components[0].Criteria[1]},
		{"a changed capability", got.Patches[2].Capabilities[0], n.Patches[0].Capabilities[0]},
		{"a new requirement", got.Requirements[0], 0},
		{"the requirement behind it", got.Requirements[1], n.Requirements[0]},
	} {
		if test.got != test.want {
			t.Errorf("%s has the number %d, want %d", test.name, test.got, test.want)
		}
	}
}

func TestDecodeAfterOtherEdits(t *testing.T) {
	title := filled(t, "2", "1")
	data, err := title.Numbers.Encode(title.Definition)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = numbered.Forget(data, "1"); err != nil {
		t.Fatal(err)
	}
	edited := definition("3", "2", "1")
	edited.Patches[1].KillApps = append(edited.Patches[1].KillApps, patch.KillApp{BundleID: "new"})
	n, err := numbered.Decode(data, 3, edited)
	if err != nil {
		t.Fatal(err)
	}
	if n.Patches[0].Number != 0 || n.Patches[1].Number != title.Numbers.Patches[0].Number || n.Patches[2].Number != 0 {
		t.Errorf("the patches have the numbers %d, %d, %d", n.Patches[0].Number, n.Patches[1].Number,
			n.Patches[2].Number)
	}
	for _, corrupt := range []string{``, `{`, `{"patches":{"1":"x"}}`, `{"next":-1}`} {
		if _, err := numbered.Decode([]byte(corrupt), 3, edited); err == nil {
			t.Errorf("%q is decoded", corrupt)
		}
	}
}

func TestFillNeedsBlocks(t *testing.T) {
	title := filled(t, "1")
	title.Numbers.Next = 1<<16 - 2
	for range 5 {
		title.AddKillApp(0, patch.KillApp{})
	}
	before := title.Numbers.Clone()
	if err := title.Numbers.Fill(); !errors.Is(err, numbered.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	if diff := cmp.Diff(before, title.Numbers); diff != "" {
		t.Fatalf("a failed Fill has changed the numbers:\n%s", diff)
	}
	if free := title.Numbers.Free(); free != 2 {
		t.Errorf("%d numbers are free, want 2", free)
	}
	title.Numbers.Blocks = []uint64{100000}
	if free := title.Numbers.Free(); free != 2+1<<16-1 {
		t.Errorf("%d numbers are free, want %d", free, 2+1<<16-1)
	}
	fill(t, title)
	last := title.Numbers.Patches[0].KillApps[5]
	if numbered.Block(last) != 100000 || last != 100000<<16+3 {
		t.Errorf("the last number is %d", last)
	}
}

func TestSettle(t *testing.T) {
	for _, test := range []struct {
		name    string
		edit    func(*numbered.Title)
		enabled bool
		patches string
	}{
		{"nothing", func(*numbered.Title) {}, true, "[false false]"},
		{"no capability", func(t *numbered.Title) { t.Remove(numbered.Place{Kind: numbered.Capability}) }, true,
			"[true false]"},
		{"no component", func(t *numbered.Title) { t.Remove(numbered.Place{Kind: numbered.Component}) }, true,
			"[true false]"},
		{"one criterion left", func(t *numbered.Title) { t.Remove(numbered.Place{Kind: numbered.Criterion}) }, true,
			"[false false]"},
		{"no requirement", func(t *numbered.Title) { t.Remove(numbered.Place{Kind: numbered.Requirement}) }, false,
			"[false false]"},
		{"no patch", func(t *numbered.Title) {
			t.Remove(numbered.Place{Kind: numbered.Patch})
			t.Remove(numbered.Place{Kind: numbered.Patch})
		}, false, "[]"},
		{"an incomplete one that is not changed", func(t *numbered.Title) {
			t.Definition.Patches[1].Capabilities = nil
			t.Numbers.Patches[1].Capabilities = nil
		}, true, "[false false]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			title := filled(t, "2", "1")
			test.edit(title)
			title.Settle()
			disabled := []bool{}
			for _, p := range title.Definition.Patches {
				disabled = append(disabled, p.Disabled)
			}
			if title.Enabled != test.enabled || fmt.Sprint(disabled) != test.patches {
				t.Errorf("enabled %v, disabled patches %v; want %v, %s", title.Enabled, disabled, test.enabled,
					test.patches)
			}
		})
	}
}

func TestEditsDoNotChangeTheDefinitionGiven(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	d := definition("2", "1")
	before := d.Clone()
	numbers := numbered.New(3, d)
	title := numbered.NewTitle(numbers, d, true, time.Time{})
	for step := range 200 {
		randomEdit(r, title, step)
	}
	if diff := cmp.Diff(before, d); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(numbered.New(3, before), numbers); diff != "" {
		t.Error(diff)
	}
}

func TestGrowth(t *testing.T) {
	patchtest.Linear(t, func(n int) func() {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprint(i))
		}
		title := filled(t, all...)
		after := title.Definition.Clone()
		slices.Reverse(after.Patches)
		return func() {
			carried := title.Numbers.Carry(title.Definition, after)
			data, err := carried.Encode(after)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := numbered.Decode(data, 3, after); err != nil {
				t.Fatal(err)
			}
		}
	}, 200)
}
