package patch_test

import (
	"testing"

	"github.com/patchsource/patchsource/patch"
)

// BenchmarkDefinition measures the work that is done for each definition that is published: reading it, looking for
// mistakes, writing it.
func BenchmarkDefinition(b *testing.B) {
	data := largest(corpus(b))
	d, err := patch.Parse(data, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		work func()
	}{
		{"Parse", func() { _, _ = patch.Parse(data, nil) }},
		{"Validate", func() { _ = d.Validate() }},
		{"Lint", func() { patch.Lint(d, &patch.LintOptions{Now: lintNow}) }},
		{"MarshalJSON", func() { _, _ = d.MarshalJSON() }},
		{"Clone", func() { d.Clone() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				c.work()
			}
		})
	}
}

// largest returns the largest of several texts.
func largest(texts map[string][]byte) (largest []byte) {
	for _, data := range texts {
		if len(data) > len(largest) {
			largest = data
		}
	}
	return largest
}

// BenchmarkSortPatches measures the keys and comparisons of a title with many versions.
func BenchmarkSortPatches(b *testing.B) {
	rows := tsv(b, "pairs.tsv.gz")
	var patches []patch.Patch
	for _, row := range rows[:min(len(rows), 2000)] {
		patches = append(patches, patch.Patch{Version: row[1]})
	}
	sorted := make([]patch.Patch, len(patches))
	b.ReportAllocs()
	for b.Loop() {
		copy(sorted, patches)
		patch.SortPatches(sorted)
	}
}
