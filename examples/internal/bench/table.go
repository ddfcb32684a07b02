package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A table is a table in Markdown.
type table struct {
	columns []string
	rows    [][]string
}

// A span is a time in nanoseconds, or NaN if it is not known.
type span float64

// verdict says whether a goal is reached, and nothing if the figure is not known.
func verdict(figure float64, reached bool) string {
	if math.IsNaN(figure) {
		return "–"
	}
	return cell(reached)
}

// row adds a row. Numbers are rounded to three digits.
func (t *table) row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = cell(c)
	}
	t.rows = append(t.rows, row)
}

// cell returns the text of a cell.
func cell(c any) string {
	switch c := c.(type) {
	case float64:
		return number(c)
	case span:
		return number(float64(c)/float64(time.Millisecond)) + " ms"
	case bool:
		if c {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(c)
}

// number returns a number with about three digits, and a dash for one that is not known.
func number(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "–"
	case x != 0 && math.Abs(x) < 10:
		return fmt.Sprintf("%.2f", x)
	case math.Abs(x) < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// print writes a heading, a paragraph and the table.
func (b *bench) print(heading, text string, t *table) {
	var s strings.Builder
	fmt.Fprintf(&s, "\n## %s\n\n", heading)
	if text != "" {
		fmt.Fprintf(&s, "%s\n\n", text)
	}
	rule := slices.Repeat([]string{"---"}, len(t.columns))
	for _, row := range append([][]string{t.columns, rule}, t.rows...) {
		fmt.Fprintf(&s, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprint(b.out, s.String())
}

// median returns the median of values, and NaN if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// ratio returns the median of the ratios of two series that were measured in the same rounds.
func ratio(a, b []float64) float64 {
	var all []float64
	for i := range min(len(a), len(b)) {
		all = append(all, a[i]/b[i])
	}
	return median(all)
}

// difference returns the median of the differences of two series that were measured in the same rounds.
func difference(a, b []float64) float64 {
	var all []float64
	for i := range min(len(a), len(b)) {
		all = append(all, a[i]-b[i])
	}
	return median(all)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }
