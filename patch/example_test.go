package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A definition is made from the description of an application, and later gets another version.
func Example() {
	d, err := patch.NewDefinition(patch.Application{
		Name:      "Composer",
		BundleID:  "com.jamfsoftware.Composer",
		Version:   "10.1.1",
		MinimumOS: "10.9",
		Released:  time.Date(2018, 2, 2, 17, 39, 58, 0, time.UTC),
		Publisher: "Jamf",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d.Complete(now)

	next := d.Patches[0].NextVersion("10.2", now)
	if err := d.AddPatches(patch.Ordered(), now.Add(time.Hour), next); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.ID, d.CurrentVersion, d.LastModified)
	fmt.Println("warnings:", len(patch.Lint(d, nil)))
	// Output:
	// Composer 10.2 2026-01-02T04:04:05Z
	// warnings: 0
}

func ExampleParseConstraint() {
	c, err := patch.ParseConstraint(">= 149, < 150")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, version := range []string{"148.0.7778.96", "149.0.7827.54", "150.0.7900.2"} {
		fmt.Println(version, c.Check(version))
	}
	// Output:
	// 148.0.7778.96 false
	// 149.0.7827.54 true
	// 150.0.7900.2 false
}

func ExampleCriterion_MarshalJSON() {
	c := patch.Criterion{Name: "Application Version", Operator: "is", Value: "1.2", Type: "recon"}
	out, err := json.Marshal(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(out))
	// Output:
	// {"name":"Application Version","operator":"is","value":"1.2","type":"recon"}
}

func ExampleParse_failures() {
	_, err := patch.Parse([]byte(`{"id": "a b", "name": "A", "publisher": "P", "appName": null, "bundleId": null,
		"requirements": [], "patches": [], "extensionAttributes": []}`), nil)
	var invalid *patch.ValidationError
	if errors.As(err, &invalid) {
		for _, f := range invalid.Failures {
			fmt.Println(f.Path)
		}
	}
	// Output:
	// /id
	// /requirements
	// /patches
}

func ExampleOrderVersions() {
	versions := []string{"1.10", "1.9", "1.10b2", "1.10 (4567)", "v1.2"}
	slices.SortFunc(versions, patch.OrderVersions)
	fmt.Println(versions)
	fmt.Println(patch.CompareVersions("1.0b3", "1.0 Beta 3"))
	// Output:
	// [v1.2 1.9 1.10b2 1.10 1.10 (4567)]
	// 0
}
