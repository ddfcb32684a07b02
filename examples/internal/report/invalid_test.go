package report

import (
	"maps"
	"slices"
	"testing"
)

func TestLinesOf(t *testing.T) {
	data := []byte("{\n \"a\": [\n  1,\n  {\"b/c\":\n   2}\n ],\n \"d\": 3\n}")
	want := map[string]int{
		"":             1,
		"/a":           2,
		"/a/0":         3,
		"/a/1":         4,
		"/a/1/b~1c":    4,
		"/d":           7,
		"/a/1/missing": 4,
		"/a/9/x":       2,
		"/missing":     1,
	}
	got := LinesOf(data, slices.Collect(maps.Keys(want)))
	for pointer, line := range want {
		if got[pointer] != line {
			t.Errorf("%q: got line %d, want %d", pointer, got[pointer], line)
		}
	}
}
