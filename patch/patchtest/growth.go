// Package patchtest helps tests to hold code to its cost: [Linear] fails when work
// grows faster than what it works on, and [Hostile] makes definitions that are
// made to be expensive. It is for tests only.
package patchtest

import (
	"math"
	"runtime"
	"testing"
	"time"
)

// Growth is how many times larger the large input of [Linear] is. Linear work then
// takes 8 times as long, n log n a little more, and quadratic work 64 times.
const Growth = 8

const (
	// maxRatio is what counts as clearly more than linear. It is far from 8, because
	// a small input that fits into the processor's caches, a busy machine and the
	// steps in which slices grow each make it look like more.
	maxRatio = 36
	// rounds is how often the work is measured at most; the cheapest run of each
	// size counts.
	rounds = 12
	// minTime is the shortest time that is taken for exact.
	minTime = 5 * time.Millisecond
	// slack is what may be allocated whatever the size, and what buffers that are
	// kept for the next run may spare a small input.
	slack = 512 << 10
)

// Linear fails the test when work grows clearly faster than its input, in
// processor time or in bytes allocated. sizes prepares the work on an input of
// size n, which is not measured; run may be called any number of times, and has to
// do the same each time. n should be so large that the work takes some
// milliseconds: the time of shorter work says little, and the bytes decide.
//
// The time is that of the whole process, so tests that run in parallel with this
// one disturb it.
func Linear(t testing.TB, sizes func(n int) (run func()), n int) {
	t.Helper()
	small, large := sizes(n), sizes(Growth*n)
	least, most := newCost(), newCost()
	var timeRatio, bytesRatio float64
	for range rounds {
		// In turn, so that what disturbs the one disturbs the other.
		least.measure(small)
		most.measure(large)
		least.measure(small)
		timeRatio = float64(most.time) / float64(max(least.time, minTime))
		bytesRatio = float64(most.bytes) / float64(least.bytes+slack)
		if timeRatio <= maxRatio && bytesRatio <= maxRatio {
			return
		}
	}
	t.Errorf("an input %d times as large takes %.1f times the processor time and %.1f times the memory (at %d): "+
		"find what is done again for each element", Growth, timeRatio, bytesRatio, n)
}

// A cost is that of the cheapest of several runs.
type cost struct {
	time  time.Duration
	bytes uint64
}

func newCost() *cost { return &cost{math.MaxInt64, math.MaxUint64} }

func (c *cost) measure(run func()) {
	runtime.GC() // of what others have left
	begun := processorTime()
	c.bytes = min(c.bytes, Allocated(run))
	c.time = min(c.time, processorTime()-begun)
}

// Allocated returns how many bytes f allocates, together with what other
// goroutines allocate meanwhile.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const (
	// freeBytes is what work on any input may allocate: tables, buffers and compiled expressions.
	freeBytes = 16 << 20
	// bytesPerByte is what it may allocate besides for each byte of its input.
	bytesPerByte = 1000
)

// Bounded runs f, which works on an input of n bytes, and fails the test when f allocates far more than any linear work
// on the input would: it is the step budget of fuzz targets. Bytes stand for steps, because they can be counted whatever
// else the machine does.
func Bounded(t testing.TB, n int, f func()) {
	t.Helper()
	if got := Allocated(f); got > freeBytes+bytesPerByte*uint64(n) {
		t.Errorf("work on %d bytes allocates %d MiB: find what is done again for each element", n, got>>20)
	}
}
