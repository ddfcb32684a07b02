package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcPercent is how much of the live heap is allocated before the garbage collector runs again, in percent. Most
	// allocations are for large definitions of anonymous clients, and memory is scarcer than time.
	gcPercent = 50
	// minHeadroom is allocated before the garbage collector runs again if the live heap is small. Otherwise it would
	// run for every few thousand requests, and take a tenth of their time.
	minHeadroom = 48 << 20
	// maxPercent bounds the percentage for a small heap, which may grow before it is adjusted.
	maxPercent = 1600
)

// tuneGC sets the percentage of the garbage collector after each of its runs.
func tuneGC() {
	debug.SetGCPercent(gcPercent)
	(&gcTuner{percent: gcPercent}).tune(struct{}{})
}

// A gcTuner is called after each run of the garbage collector.
type gcTuner struct{ percent int }

// tune sets the percentage for the current size of the live heap. runtime.AddCleanup requires the argument.
func (g *gcTuner) tune(struct{}) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	percent := percentFor(sample[0].Value.Uint64())
	if percent < g.percent || percent > g.percent+g.percent/4 {
		debug.SetGCPercent(percent) // stops the program for a moment
		g.percent = percent
	}
	type mark struct{ _ [64]byte } // large enough that it shares no allocation with another object
	runtime.AddCleanup(&mark{}, g.tune, struct{}{})
}

// percentFor returns the percentage for a live heap of the given number of bytes.
func percentFor(live uint64) int {
	return int(min(max(minHeadroom*100/max(live, 1), gcPercent), maxPercent))
}
