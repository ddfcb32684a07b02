package main

import "testing"

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0:         maxPercent,
		1 << 20:   maxPercent,
		12 << 20:  400,
		48 << 20:  100,
		96 << 20:  gcPercent,
		500 << 20: gcPercent,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes: got %d %%, want %d %%", live, got, want)
		}
	}
}
