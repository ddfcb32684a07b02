package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Mistakes explains flags that a program does not have, by the names that people try: "port" as "the address is set by
// --addr".
type Mistakes map[string]string

// UnknownFlag returns the error for a flag that a program does not have. The name is without dashes. The error contains
// the explanation in m, or suggests the flag with the most similar name, if one is similar.
func (m Mistakes) UnknownFlag(app *kong.Application, name string) error {
	if explanation, ok := m[name]; ok {
		return fmt.Errorf("there is no flag --%s: %s", name, explanation)
	}
	if near := nearest(name, flagNames(app)); near != "" {
		return fmt.Errorf("there is no flag --%s: did you mean --%s?", name, near)
	}
	return fmt.Errorf("there is no flag --%s", name)
}

// flagNames returns the names of all flags of a program, including those that negate one.
func flagNames(app *kong.Application) (names []string) {
	for _, flag := range app.Flags {
		names = append(names, flag.Name)
		if flag.Tag.Negatable != "" {
			names = append(names, "no-"+flag.Name)
		}
	}
	return names
}

// unknownFlag returns the name of the flag that kong reports as unknown. Kong exports no type for that error.
func unknownFlag(err error) (name string, ok bool) {
	rest, ok := strings.CutPrefix(err.Error(), "unknown flag --")
	name, _, _ = strings.Cut(rest, ",")
	return name, ok
}

// nearest returns the candidate with the smallest distance from a name. It returns the empty string if more than about
// a third of the name would have to be edited.
func nearest(name string, candidates []string) (best string) {
	limit := max(1, (len(name)+1)/3)
	for _, c := range candidates {
		if d := distance(name, c); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// distance returns the number of bytes that have to be inserted, deleted or replaced to turn a into b (Levenshtein). If
// the lengths differ too much for similar names, it returns an upper bound.
func distance(a, b string) int {
	if difference := len(a) - len(b); max(difference, -difference) > len(a)/3+1 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1) // the distances of a prefix of a from the prefixes of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
