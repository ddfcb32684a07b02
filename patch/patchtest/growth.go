// Package patchtest helps tests to limit the cost of code: [Linear] fails if work grows faster than its input, and
// [Hostile] makes definitions that are designed to be expensive. It is for tests only.
package patchtest

import (
	"math"
	"runtime"
	"testing"
	"time"
)

// Growth is the ratio between the sizes of the large and the small input of [Linear]. Linear work then takes 8 times as
// long, n log n a little more, and quadratic work 64 times.
const Growth = 8

const (
	// maxRatio is a ratio that is clearly more than linear. It is far from 8, because small inputs that fit into the
	// processor's caches, a busy machine and the steps in which slices grow all increase the ratio.
	maxRatio = 36
	// maxRounds is the maximum number of measurements. The cheapest run of each size counts.
	maxRounds = 12
	// minTime is the shortest time that is considered exact.
	minTime = 5 * time.Millisecond
	// slack is the number of bytes that may be allocated for any size, or saved for a small input by buffers that are
	// kept from an earlier run.
	slack = 512 << 10
)

// Linear fails the test if work grows clearly faster than its input, in processor time or in bytes allocated. sizes
// prepares the work on an input of size n, which is not measured; run may be called any number of times, and must do
// the same each time. n should be so large that the work takes some milliseconds: a shorter time is not exact, and
// then only the bytes count.
//
// The time is that of the whole process, so tests that run in parallel with this one disturb it.
func Linear(t testing.TB, sizes func(n int) (run func()), n int) {
	t.Helper()
	runSmall, runLarge := sizes(n), sizes(Growth*n)
	small, large := newCost(), newCost()
	var timeRatio, bytesRatio float64
	for range maxRounds {
		// The runs alternate, so that a disturbance affects both.
		small.measure(runSmall)
		large.measure(runLarge)
		small.measure(runSmall)
		timeRatio = float64(large.time) / float64(max(small.time, minTime))
		bytesRatio = float64(large.bytes) / float64(small.bytes+slack)
		if timeRatio <= maxRatio && bytesRatio <= maxRatio {
			return
		}
	}
	t.Errorf("an input %d times as large takes %.1f times the processor time and %.1f times the memory (at %d): "+
		"find the work that is repeated for each element", Growth, timeRatio, bytesRatio, n)
}

// A cost is that of the cheapest of several runs.
type cost struct {
	time  time.Duration
	bytes uint64
}

func newCost() *cost { return &cost{math.MaxInt64, math.MaxUint64} }

func (c *cost) measure(run func()) {
	runtime.GC() // so that the run does not pay for earlier garbage
	begun := ProcessorTime()
	c.bytes = min(c.bytes, Allocated(run))
	c.time = min(c.time, ProcessorTime()-begun)
}

// Allocated returns the number of bytes that f and concurrent goroutines allocate.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const (
	// freeBytes is the number of bytes that work on any input may allocate: tables, buffers and compiled expressions.
	freeBytes = 16 << 20
	// bytesPerByte is the number of bytes that it may allocate in addition for each byte of its input.
	bytesPerByte = 1000
)

// Bounded runs f, which works on an input of n bytes, and fails the test if f allocates far more than linear work on
// the input would. It limits the work of fuzz targets: allocated bytes are counted instead of time, because they do
// not depend on the load of the machine.
func Bounded(t testing.TB, n int, f func()) {
	t.Helper()
	if got := Allocated(f); got > freeBytes+bytesPerByte*uint64(n) {
		t.Errorf("work on %d bytes allocates %d MiB: find the work that is repeated for each element", n, got>>20)
	}
}
