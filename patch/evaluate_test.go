package patch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

// inventory returns a criterion about the inventory.
func inventory(name, operator, value string) patch.Criterion {
	return patch.Criterion{Name: name, Operator: operator, Value: value, Type: "recon"}
}

// orElse returns a criterion that is joined by OR.
func orElse(c patch.Criterion) patch.Criterion {
	or := false
	c.And = &or
	return c
}

// ofAttribute returns a criterion about the extension attribute ea.
func ofAttribute(operator, value string) patch.Criterion {
	return patch.Criterion{Name: "ea", Operator: operator, Value: value, Type: "extensionAttribute"}
}

// evaluateOne evaluates requirements for a computer.
func evaluateOne(t *testing.T, c patch.Computer, requirements ...patch.Criterion) patch.Evaluation {
	t.Helper()
	d := &patch.Definition{
		Requirements:        requirements,
		Patches:             []patch.Patch{{Version: "1"}},
		ExtensionAttributes: []patch.ExtensionAttribute{{Key: "ea"}},
	}
	results, err := patch.Evaluate(d, []patch.Computer{c})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func TestEvaluateOperators(t *testing.T) {
	mac := patch.Computer{
		OSVersion: "10.15",
		Applications: []patch.InstalledApplication{
			{Name: "A.app", BundleID: "com.example.a", Version: "1.5"},
			{Name: "B.app", BundleID: "com.example.b", Version: "2.0"},
		},
		ExtensionAttributes: map[string]string{"ea": "3.1"},
		Facts:               map[string]string{"Total RAM MB": "8192", "Model": "MacBook Pro", "Processor Type": ""},
	}
	const title, bundle, version = "Application Title", "Application Bundle ID", "Application Version"
	const os, ram = "Operating System Version", "Total RAM MB"
	for _, c := range []struct {
		criterion patch.Criterion
		want      bool
	}{
		{inventory(title, "is", "A.app"), true},
		{inventory(title, "is", "C.app"), false},
		{inventory(title, "is not", "A.app"), true}, // B.app is not
		{inventory(title, "has", "B.app"), true},
		{inventory(title, "has", "C.app"), false},
		{inventory(title, "does not have", "C.app"), true},
		{inventory(title, "does not have", "A.app"), false},
		{inventory(bundle, "is", "com.example.b"), true},
		{inventory(bundle, "is not", "com.example.b"), true},
		{inventory(bundle, "like", "example"), true},
		{inventory(bundle, "like", "exam%"), false},
		{inventory(bundle, "not like", ".a"), true},
		{inventory(bundle, "not like", "com."), false},
		{inventory(version, "matches regex", `^1\.\d$`), true},
		{inventory(version, "matches regex", `^3`), false},
		{inventory(version, "does not match regex", `^[12]\.`), false},
		{inventory(os, "is", "10.15"), true},
		{inventory(os, "is", "10.15.0"), false},
		{inventory(os, "is not", "10.15"), false},
		{inventory(os, "like", "10.1"), true},
		{inventory(os, "not like", "10.1"), false},
		{inventory(os, "greater than", "10.9"), true},
		{inventory(os, "greater than", "10.15.0"), false},
		{inventory(os, "greater than or equal", "10.15.0"), true},
		{inventory(os, "greater than or equal", "11"), false},
		{inventory(os, "less than", "10.9"), false},
		{inventory(os, "less than", "10.16"), true},
		{inventory(os, "less than or equal", "10.15"), true},
		{inventory(os, "less than or equal", "10.14.6"), false},
		{inventory(ram, "is", "8192.0"), true},
		{inventory(ram, "is not", "8192"), false},
		{inventory(ram, "more than", "1000"), true},
		{inventory(ram, "more than", "8192"), false},
		{inventory(ram, "less than", "10000"), true},
		{inventory(ram, "less than", "8192"), false},
		{inventory("Model", "is", "MacBook Pro"), true},
		{inventory("Model", "is", "macbook pro"), false},
		{inventory("Processor Type", "is", ""), true},
		{ofAttribute("is", "3.1"), true},
		{ofAttribute("is not", ""), true},
		{ofAttribute("like", "."), true},
		{ofAttribute("not like", "."), false},
		{ofAttribute("matches regex", "^3"), true},
		{ofAttribute("does not match regex", "^3"), false},
	} {
		t.Run(fmt.Sprint(c.criterion.Name, " ", c.criterion.Operator, " ", c.criterion.Value), func(t *testing.T) {
			if got := evaluateOne(t, mac, c.criterion); got.Installed != c.want {
				t.Errorf("it is %v, want %v: %q", got.Installed, c.want, got.Why)
			}
		})
	}
}

func TestEvaluateUnknown(t *testing.T) {
	apps := []patch.InstalledApplication{{Name: "A.app", BundleID: "a"}}
	for _, c := range []struct {
		name      string
		computer  patch.Computer
		criterion patch.Criterion
		why       string
	}{
		{"no applications", patch.Computer{}, inventory("Application Title", "is", "A"), "does not give its"},
		{
			"no applications, absent", patch.Computer{}, inventory("Application Title", "does not have", "A"),
			"does not give its",
		},
		{
			"version", patch.Computer{Applications: apps}, inventory("Application Version", "is", "1"),
			`"A.app" does not give`,
		},
		{"system", patch.Computer{}, inventory("Operating System Version", "less than", "99"), "does not give"},
		{"fact", patch.Computer{}, inventory("Model", "is not", "x"), "does not give this value"},
		{"attribute", patch.Computer{}, ofAttribute("is not", ""), "does not give this value"},
		{"no number", patch.Computer{Facts: map[string]string{"Total RAM MB": "much"}},
			inventory("Total RAM MB", "more than", "1"), "not a number"},
		{"no number to compare", patch.Computer{}, inventory("Total RAM MB", "more than", "much"), `value "much" of`},
		{"criterion", patch.Computer{}, inventory("Color", "is", "red"), `has no "Color"`},
		{"operator", patch.Computer{}, inventory("Operating System Version", "above", "1"), "not offer"},
		{"type", patch.Computer{}, patch.Criterion{Name: "Model", Operator: "is", Type: "x"}, `of type "x"`},
		{"foreign regex", patch.Computer{Facts: map[string]string{"Model": "x"}},
			inventory("Model", "matches regex", "(?=x)"), "cannot compile"},
		{"long regex", patch.Computer{Facts: map[string]string{"Model": "x"}},
			inventory("Model", "matches regex", strings.Repeat("x", 2000)), "longer than"},
		{"huge regex", patch.Computer{Facts: map[string]string{"Model": "x"}},
			inventory("Model", "matches regex", "((a{30}){30}){30}"), "regular expression"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := evaluateOne(t, c.computer, c.criterion)
			if why := got.Why[0]; got.Installed || !strings.Contains(why, "cannot be told") ||
				!strings.Contains(why, c.why) {
				t.Errorf("installed is %v, because %q; want false and %q", got.Installed, why, c.why)
			}
			// Other criteria may decide all the same.
			withOS := c.computer
			withOS.Facts = map[string]string{"Platform": "Mac"}
			if got := evaluateOne(t, withOS, c.criterion, orElse(inventory("Platform", "is", "Mac"))); !got.Installed {
				t.Errorf("with a match by OR, it is not installed: %q", got.Why)
			}
			got = evaluateOne(t, withOS, c.criterion, inventory("Platform", "is", "PC"))
			if !strings.Contains(got.Why[0], "Not installed") {
				t.Errorf("without a match by AND, it is %q", got.Why)
			}
		})
	}
}

func TestEvaluateJoins(t *testing.T) {
	mac := patch.Computer{Facts: map[string]string{"Model": "m"}}
	is := func(matches bool) patch.Criterion {
		if matches {
			return inventory("Model", "is", "m")
		}
		return inventory("Model", "is", "x")
	}
	for _, c := range []struct {
		name      string
		criteria  []patch.Criterion
		want      bool
		ambiguous bool
	}{
		{"AND", []patch.Criterion{is(true), is(false)}, false, false},
		{"OR", []patch.Criterion{is(false), orElse(is(true))}, true, false},
		{"first by OR", []patch.Criterion{orElse(is(true)), is(false)}, false, false},
		{"AND before OR", []patch.Criterion{is(false), is(true), orElse(is(true))}, true, false},
		{"OR before AND", []patch.Criterion{is(true), orElse(is(false)), is(false)}, false, true},
		{"groups agree", []patch.Criterion{is(false), orElse(is(true)), is(true)}, true, false},
		{"nothing", nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := evaluateOne(t, mac, c.criteria...)
			ambiguous := strings.Contains(strings.Join(got.Why, " "), "does not document the order")
			if got.Installed != c.want || ambiguous != c.ambiguous {
				t.Errorf("installed is %v because %q, want %v, ambiguous %v",
					got.Installed, got.Why, c.want, c.ambiguous)
			}
		})
	}
}

func TestEvaluateOneApplicationAtATime(t *testing.T) {
	mac := patch.Computer{Applications: []patch.InstalledApplication{
		{Name: "Other.app", BundleID: "other", Version: "2"}, {Name: "App.app", BundleID: "app", Version: "1"},
	}}
	id, v := inventory("Application Bundle ID", "is", "app"), inventory("Application Version", "is", "2")
	if got := evaluateOne(t, mac, id, v); got.Installed || !strings.Contains(got.Why[0], `"App.app" has "1"`) {
		t.Errorf("two applications together match: %q", got.Why)
	}
	if got := evaluateOne(t, mac, id, inventory("Application Version", "is not", "2")); !got.Installed {
		t.Errorf("one application does not match: %q", got.Why)
	}
	if got := evaluateOne(t, patch.Computer{Applications: []patch.InstalledApplication{}},
		inventory("Application Title", "is not", "x")); got.Installed {
		t.Errorf("without applications, one matches: %q", got.Why)
	}
}

// titleOf returns a definition of versions, the newest first, by bundle identifier and version.
func titleOf(versions ...string) *patch.Definition {
	d := &patch.Definition{Requirements: []patch.Criterion{inventory("Application Bundle ID", "is", "app")}}
	for _, v := range versions {
		d.Patches = append(d.Patches, patch.Patch{
			Version: v,
			Components: []patch.Component{{Criteria: []patch.Criterion{
				inventory("Application Bundle ID", "is", "app"), inventory("Application Version", "is", v),
			}}},
			Capabilities: []patch.Criterion{inventory("Operating System Version", "greater than or equal", "10.9")},
		})
	}
	return d
}

func TestEvaluateVersions(t *testing.T) {
	d := titleOf("3", "2", "1")
	d.Patches[0].Disabled = true
	d.Patches[2].Components[0].Criteria[1] = inventory("Application Version", "like", "1")
	computer := func(os string, versions ...string) patch.Computer {
		c := patch.Computer{Name: "mac", OSVersion: os, Applications: []patch.InstalledApplication{}}
		for _, v := range versions {
			c.Applications = append(c.Applications, patch.InstalledApplication{BundleID: "app", Version: v})
		}
		return c
	}
	for _, c := range []struct {
		name string
		of   patch.Computer
		want patch.Evaluation
	}{
		{"latest", computer("14", "2"), patch.Evaluation{Installed: true, Version: "2", Latest: true, Eligible: true}},
		{"older", computer("14", "1.1"), patch.Evaluation{Installed: true, Version: "1", Eligible: true}},
		{"both", computer("9", "1", "2"), patch.Evaluation{Installed: true, Version: "2", Latest: true}},
		{"disabled", computer("14", "3"), patch.Evaluation{Installed: true, Eligible: true}},
		{"none", computer("10.8"), patch.Evaluation{}},
		{"no version", computer("", ""), patch.Evaluation{Installed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			results, err := patch.Evaluate(d, []patch.Computer{c.of})
			if err != nil || len(results) != 1 {
				t.Fatal(results, err)
			}
			got := results[0]
			t.Log(strings.Join(got.Why, "\n"))
			c.want.Name, c.want.Why = "mac", got.Why
			if diff := cmp.Diff(c.want, got); diff != "" || len(got.Why) < 2 {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestEvaluateBounds(t *testing.T) {
	d := titleOf("2", "1")
	computers := make([]patch.Computer, 100)
	_, err := patch.EvaluateContext(context.Background(), d, computers, &patch.EvaluateOptions{MaxSteps: 50})
	if !errors.Is(err, patch.ErrTooManySteps) {
		t.Errorf("50 steps for 100 computers: %v", err)
	}
	_, err = patch.EvaluateContext(context.Background(), d, computers, &patch.EvaluateOptions{MaxSteps: -1})
	if err != nil {
		t.Errorf("without a limit: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := patch.EvaluateContext(ctx, d, computers, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	if _, err := patch.Evaluate(nil, nil); !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("nil definition: %v", err)
	}
}

// A large fleet and a title with a long history stay within the default bound.
func TestEvaluateManyComputers(t *testing.T) {
	var versions []string
	for i := range 3000 {
		versions = append(versions, fmt.Sprintf("%d.%d", 100-i/100, 99-i%100))
	}
	computers := make([]patch.Computer, 50_000)
	for i := range computers {
		apps := []patch.InstalledApplication{{BundleID: "app", Version: versions[i%len(versions)]}}
		for j := range 20 {
			apps = append(apps, patch.InstalledApplication{BundleID: fmt.Sprint("other", j)})
		}
		computers[i] = patch.Computer{OSVersion: "14", Applications: apps}
	}
	results, err := patch.Evaluate(titleOf(versions...), computers)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Version != versions[i%len(versions)] {
			t.Fatalf("computer %d has version %q, want %q", i, r.Version, versions[i%len(versions)])
		}
	}
}

// randomCriterion returns a criterion of few names and values, so that many match.
func randomCriterion(r *rand.Rand) patch.Criterion {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	c := inventory(pick("Application Title", "Application Bundle ID", "Application Version", "Application Version",
		"Operating System Version", "Total RAM MB", "Model"),
		pick("is", "is", "is", "is not", "like", "does not have", "more than", "less than", "matches regex"),
		pick("1", "2", "3", "a", "("))
	if r.IntN(4) == 0 {
		c = ofAttribute(c.Operator, c.Value)
	}
	if r.IntN(6) == 0 {
		c = orElse(c)
	}
	return c
}

func randomCriteria(r *rand.Rand) (list []patch.Criterion) {
	for range r.IntN(4) {
		list = append(list, randomCriterion(r))
	}
	return list
}

func randomFleet(r *rand.Rand) (fleet []patch.Computer) {
	pick := func() string { return []string{"", "1", "2", "3", "a"}[r.IntN(5)] }
	for range 4 {
		c := patch.Computer{OSVersion: pick()}
		for range r.IntN(4) {
			c.Applications = append(c.Applications, patch.InstalledApplication{
				Name: pick(), BundleID: pick(), Version: pick(),
			})
		}
		if r.IntN(2) == 0 {
			c.ExtensionAttributes = map[string]string{"ea": pick()}
			c.Facts = map[string]string{"Model": pick(), "Total RAM MB": pick()}
		}
		fleet = append(fleet, c)
	}
	return fleet
}

// checkIndex checks that the evaluation of the patches that the index finds equals that of all patches.
func checkIndex(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	d := &patch.Definition{
		Requirements: []patch.Criterion{
			inventory("Platform", "is", "Mac"), orElse(inventory("Model", "not like", "%")),
		},
		ExtensionAttributes: []patch.ExtensionAttribute{{Key: "ea"}},
	}
	for i := range r.IntN(8) {
		p := patch.Patch{Version: fmt.Sprint(i), Disabled: r.IntN(8) == 0, Capabilities: randomCriteria(r)}
		for range 1 + r.IntN(8)/7 {
			p.Components = append(p.Components, patch.Component{Criteria: randomCriteria(r)})
		}
		d.Patches = append(d.Patches, p)
	}
	fleet := randomFleet(r)
	fast, err := patch.Evaluate(d, fleet)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := patch.EvaluateExhaustively(d, fleet)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slow, fast); diff != "" {
		text, _ := json.Marshal(d)
		t.Errorf("seed %d: all patches -, those of the index +:\n%s\n%s\n%+v", seed, diff, text, fleet)
	}
}

func TestEvaluateIndex(t *testing.T) {
	for seed := range uint64(5000) {
		checkIndex(t, seed)
	}
}

func FuzzEvaluateIndex(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkIndex)
}
