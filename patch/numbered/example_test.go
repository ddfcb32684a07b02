package numbered_test

import (
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// A title gets numbers, and its parts are found and edited by them.
func Example() {
	d, err := patch.NewDefinition(patch.Application{
		Name:      "Composer",
		BundleID:  "com.example.composer",
		Version:   "11.0",
		MinimumOS: "12",
		Released:  time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	t := numbered.NewTitle(numbered.New(7, d), d, true, time.Time{})
	if err := t.Numbers.Fill(); err != nil {
		fmt.Println(err)
		return
	}
	version := t.Numbers.Patches[0].Number
	fmt.Println("title:", numbered.Block(version))

	place, found := t.Find(numbered.Patch, version)
	fmt.Println("patch:", found, t.Patch(place).Version)

	capability := t.Numbers.Patches[0].Capabilities[0]
	place, _ = t.Find(numbered.Capability, capability)
	t.Remove(place)
	t.Settle()
	fmt.Println("enabled without its capability:", t.Enabled)
	// Output:
	// title: 7
	// patch: true 11.0
	// enabled without its capability: false
}
