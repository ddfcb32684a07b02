package patchtest_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/patchsource/patchsource/patch/patchtest"
)

// A recorder is a test that only records whether it failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

var sink int

// Linear distinguishes linear work from quadratic work.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute with the race detector")
	}
	for _, c := range []struct {
		name   string
		n      int
		work   func(n int)
		failed bool
	}{
		{"nothing", 1000, func(int) {}, false},
		{"linear", 5_000_000, func(n int) {
			for i := range n {
				sink += i
			}
		}, false},
		{"linear, with memory", 500_000, func(n int) { sink += len(make([]int, n)) }, false},
		{"a slice that grows", 100_000, func(n int) {
			var all []int
			for i := range n {
				all = append(all, i)
			}
			sink += len(all)
		}, false},
		{"n log n", 100_000, func(n int) {
			all := make([]int, n)
			for i := range all {
				all[i] = i * 7919 % n
			}
			slices.Sort(all)
		}, false},
		{"quadratic", 4000, func(n int) {
			for i := range n * n {
				sink += i
			}
		}, true},
		{"quadratic in memory", 400, func(n int) {
			for range n {
				sink += len(make([]int, n))
			}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{TB: t}
			patchtest.Linear(r, func(n int) func() { return func() { c.work(n) } }, c.n)
			if r.failed != c.failed {
				t.Errorf("failed: %v, want %v", r.failed, c.failed)
			}
		})
	}
}

func TestHostile(t *testing.T) {
	for _, name := range patchtest.HostileNames() {
		const size = 100_000
		data := patchtest.Hostile(name, size)
		if len(data) < size || len(data) > 2*size {
			t.Errorf("%s: %d bytes, want %d or a little more", name, len(data), size)
		}
		if !json.Valid(data) && name != "endless nesting" {
			t.Errorf("%s: not JSON: %.300s", name, data)
		}
	}
	if patchtest.Hostile("nothing", 1) != nil {
		t.Error("a name that is not listed makes a definition")
	}
}
