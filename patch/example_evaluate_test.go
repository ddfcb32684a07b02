package patch_test

import (
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A table of computers tests a definition: what is each of them expected to report?
func ExampleEvaluate() {
	d, err := patch.NewDefinition(patch.Application{
		Name:      "Example",
		BundleID:  "com.example.app",
		Version:   "2.0",
		MinimumOS: "10.9",
		Released:  time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tests := []struct {
		name, os, version string
		want              string // the version that Jamf Pro reports
		eligible          bool
	}{
		{"up to date", "14.1", "2.0", "2.0", true},
		{"unknown version", "14.1", "2.1b", "", true},
		{"old system", "10.8", "2.0", "2.0", false},
		{"10.15 is above 10.9", "10.15", "2.0", "2.0", true},
	}
	for _, test := range tests {
		results, err := patch.Evaluate(d, []patch.Computer{{
			Name:      test.name,
			OSVersion: test.os,
			Applications: []patch.InstalledApplication{
				{Name: "Example.app", BundleID: "com.example.app", Version: test.version},
			},
		}})
		if err != nil {
			fmt.Println(err)
			return
		}
		if got := results[0]; got.Version != test.want || got.Eligible != test.eligible {
			fmt.Println("FAIL", test.name, got.Why) // t.Errorf in a test
			continue
		}
		fmt.Println("ok", test.name)
	}
	// Output:
	// ok up to date
	// ok unknown version
	// ok old system
	// ok 10.15 is above 10.9
}
