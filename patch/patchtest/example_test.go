package patchtest_test

import (
	"fmt"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// Every small hostile definition is read or refused within a limited amount of memory.
func ExampleHostile() {
	for _, name := range patchtest.HostileNames() {
		body := patchtest.Hostile(name, 10)
		allocated := patchtest.Allocated(func() { _, _ = patch.Parse(body, nil) })
		if allocated > 1<<20 {
			fmt.Println(name, "costs too much:", allocated)
		}
	}
	fmt.Println("all were read")
	// Output: all were read
}
