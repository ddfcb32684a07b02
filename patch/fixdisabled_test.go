package patch_test

import (
	"testing"

	"github.com/patchsource/patchsource/patch"
)

// A disabled patch may stand between two notations of one version.
func TestFixEndsWithDisabledPatchBetweenNotations(t *testing.T) {
	d := title(t, "1.0")
	second := d.Patches[0].Clone()
	second.Version = "1.0.0"
	d.Patches = []patch.Patch{d.Patches[0], {Version: "0.5", Disabled: true}, second}
	d.Complete(now)
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	patch.Fix(d, nil)
	if len(d.Patches) != 2 || !d.Patches[1].Disabled {
		t.Errorf("the patches are %+v, want 1.0 and the disabled one", d.Versions())
	}
}

func TestFixLeavesDisabledPatchesAlone(t *testing.T) {
	d := title(t, "3", "2", "1")
	for i := range d.Patches {
		p := &d.Patches[i]
		p.Components = []patch.Component{{Name: "n", Version: p.Version, Criteria: d.Requirements}}
	}
	d.Patches[0].Components[0].Version = "y"
	d.Patches[1].Disabled, d.Patches[1].Components[0].Version = true, "x"
	d.Complete(now)
	patch.Fix(d, nil)
	if v := d.Patches[1].Components[0].Version; v != "x" {
		t.Errorf("Fix has changed the component of a disabled patch to %q", v)
	}
}
