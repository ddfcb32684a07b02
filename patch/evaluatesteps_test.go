package patch_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/patch"
)

// Every criterion that is looked at takes a step, also one about applications of a computer that has none.
func TestEvaluateCountsCriteriaWithoutApplications(t *testing.T) {
	const patches, criteria, computers = 100, 1000, 1000
	d := &patch.Definition{Requirements: []patch.Criterion{inventory("Operating System Version", "is", "14")}}
	for i := range patches {
		var all []patch.Criterion
		for range criteria {
			all = append(all, orElse(inventory("Application Version", "is", fmt.Sprint(i))))
		}
		d.Patches = append(d.Patches, patch.Patch{
			Version: fmt.Sprint(i), Components: []patch.Component{{Criteria: all}},
		})
	}
	for name, apps := range map[string][]patch.InstalledApplication{"unknown": nil, "none": {}} {
		list := make([]patch.Computer, computers)
		for i := range list {
			list[i] = patch.Computer{OSVersion: "14", Applications: apps}
		}
		// 100,000,000 criteria are looked at.
		_, err := patch.EvaluateContext(t.Context(), d, list, &patch.EvaluateOptions{MaxSteps: 5_000_000})
		if !errors.Is(err, patch.ErrTooManySteps) {
			t.Errorf("%s: %v, want ErrTooManySteps", name, err)
		}
	}
}
