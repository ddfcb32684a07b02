package patch_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// No exported function panics on a zero value, a nil pointer or an empty definition.
func TestNothingPanics(t *testing.T) {
	var none *patch.Definition
	for name, d := range map[string]*patch.Definition{
		"nil":          none,
		"zero":         {},
		"empty lists":  {Requirements: []patch.Criterion{}, Patches: []patch.Patch{}},
		"zero members": zeroMembers(),
	} {
		t.Run(name, func(t *testing.T) {
			for call, f := range callsOnDefinition {
				t.Run(call, func(*testing.T) { f(d.Clone()) })
			}
		})
	}
	for name, f := range otherCalls {
		t.Run(name, func(*testing.T) { f() })
	}
	for method := range reflect.TypeFor[*patch.Definition]().Methods() {
		if callsOnDefinition[method.Name] == nil {
			t.Errorf("callsOnDefinition has no call of %s", method.Name)
		}
	}
}

// zeroMembers returns a definition with one zero element in each list.
func zeroMembers() *patch.Definition {
	field := []patch.Field{{}}
	criteria := []patch.Criterion{{Extra: field}}
	empty := ""
	return &patch.Definition{
		AppName:      &empty,
		BundleID:     &empty,
		Requirements: criteria,
		Patches: []patch.Patch{{
			KillApps:     []patch.KillApp{{Extra: field}},
			Components:   []patch.Component{{Criteria: criteria, Extra: field}},
			Capabilities: criteria,
			Dependencies: json.RawMessage{},
			Extra:        field,
		}},
		ExtensionAttributes: []patch.ExtensionAttribute{{Extra: field}},
		Extra:               field,
	}
}

var callsOnDefinition = map[string]func(*patch.Definition){
	"AddPatches": func(d *patch.Definition) { _ = d.AddPatches(patch.Position{}, now, patch.Patch{}) },
	"AddPatches ordered": func(d *patch.Definition) {
		_ = d.AddPatches(patch.Ordered(), time.Time{}, patch.Patch{}, patch.Patch{Version: "1"})
	},
	"AddPatches before": func(d *patch.Definition) {
		_ = d.AddPatches(patch.Before(""), now, patch.Patch{Version: "2"})
	},
	"AddPatches of none": func(d *patch.Definition) { _ = d.AddPatches(patch.After("x"), now) },
	"Clone":              func(d *patch.Definition) { d.Clone() },
	"CloneVersion":       func(d *patch.Definition) { _ = d.CloneVersion("", "x", now) },
	"OrderVersions":      func(d *patch.Definition) { _ = d.OrderVersions([]string{"", ""}, now) },
	"Split":              func(d *patch.Definition) { d.Split() },
	"Versions":           func(d *patch.Definition) { d.Versions() },
	"Whole":              func(d *patch.Definition) { d.Whole([]patch.Placed{{}, {After: "x"}}) },
	"Complete":           func(d *patch.Definition) { d.Complete(time.Time{}) },
	"Diff": func(d *patch.Definition) {
		_ = patch.Diff(d, nil).String()
		_ = patch.Diff(nil, d).String()
		_ = patch.Diff(d, &patch.Definition{}).String()
		_ = patch.Diff(d, zeroMembers()).String()
	},
	"FindPatch":       func(d *patch.Definition) { d.FindPatch("") },
	"Fix":             func(d *patch.Definition) { patch.Fix(d, nil); patch.Fix(d, &patch.LintOptions{Now: now}) },
	"KeepAuthor":      func(d *patch.Definition) { _ = d.KeepAuthor("Nobody") },
	"Lint":            func(d *patch.Definition) { patch.Lint(d, nil) },
	"LintContext":     func(d *patch.Definition) { _, _ = patch.LintContext(context.Background(), d, nil) },
	"MarshalJSON":     func(d *patch.Definition) { _, _ = json.Marshal(d) },
	"MarshalWith":     func(d *patch.Definition) { _, _, _ = d.MarshalWith(nil) },
	"Namespace":       func(d *patch.Definition) { _ = d.Namespace("Nobody") },
	"NamespaceStored": func(d *patch.Definition) { _ = d.NamespaceStored("Nobody") },
	"Parse over it":   func(d *patch.Definition) { _, _ = patch.Parse([]byte(minimal), &patch.ParseOptions{Over: d}) },
	"RemovePatch":     func(d *patch.Definition) { _ = d.RemovePatch("", now) },
	"ReplacePatch":    func(d *patch.Definition) { _ = d.ReplacePatch("", patch.Patch{}, now) },
	"SortPatches": func(d *patch.Definition) {
		if d != nil {
			patch.SortPatches(d.Patches)
		}
	},
	"Summary":        func(d *patch.Definition) { d.Summary() },
	"Supersede":      func(d *patch.Definition) { d.Supersede(zeroMembers(), now) },
	"Supersede nil":  func(d *patch.Definition) { d.Supersede(nil, now) },
	"Superseded":     func(d *patch.Definition) { zeroMembers().Supersede(d, now) },
	"UnknownMembers": func(d *patch.Definition) { d.UnknownMembers() },
	"UnmarshalJSON":  func(d *patch.Definition) { _ = d.UnmarshalJSON([]byte(minimal)) },
	"Validate":       func(d *patch.Definition) { _ = d.Validate().Error() },
	"ValidateOver":   func(d *patch.Definition) { _ = d.ValidateOver(d); _ = zeroMembers().ValidateOver(d) },
	"ValidateEdit":   func(d *patch.Definition) { _ = d.ValidateEdit(d); _ = zeroMembers().ValidateEdit(d) },
}

var otherCalls = map[string]func(){
	"a nil patch": func() {
		var p *patch.Patch
		p.Clone()
		p.NextVersion("1", now)
		_ = p.Validate()
	},
	"a zero patch": func() {
		var p patch.Patch
		p.NextVersion("", time.Time{})
		_ = p.Validate()
	},
	"functions on nothing": func() {
		_, _ = patch.Parse(nil, nil)
		_, _ = patch.ParsePatch(nil, nil)
		_, _, _ = patch.ParseRepair(nil, nil)
		_ = patch.CheckSyntax(nil, nil)
		_, _ = patch.ParseTime("")
		_ = patch.FormatTime(time.Time{})
		_ = patch.CheckAuthor("")
		_, _ = patch.AuthorID("")
		patch.Skeleton("")
		_ = patch.ValidID("")
		patch.SortPatches(nil)
		patch.Rules()
		_, _ = patch.NewDefinition(patch.Application{})
		_, _ = patch.NewPatch(patch.Application{})
	},
	"versions": func() {
		patch.CompareVersions("", "")
		patch.OrderVersions("", "")
		_ = patch.ParseVersion("").String()
		var v patch.Version
		v.Compare(v)
		v.Order(v)
	},
	"constraints": func() {
		_, _ = patch.ParseConstraint("")
		var none *patch.Constraint
		_, _ = none.Check(""), none.String()
		var zero patch.Constraint
		_, _ = zero.Check(""), zero.String()
	},
	"errors": func() {
		_ = (&patch.ValidationError{}).Error()
		_ = (&patch.SyntaxError{}).Error()
		_ = (&patch.VersionError{}).Error()
		_ = (&patch.VersionError{}).Unwrap()
		_ = patch.Failure{}.String()
		_ = patch.Difference(nil).String()
	},
}
