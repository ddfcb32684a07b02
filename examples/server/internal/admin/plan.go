package admin

import (
	"fmt"
	"io"
	"strings"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// maxNamed is the number of titles of each kind that a plan names.
const maxNamed = 20

// writePlan writes what a restore would do.
func writePlan(w io.Writer, plan wire.RestorePlan) error {
	var parts []string
	for _, part := range []struct{ name, text string }{
		{"create", "to create"},
		{"replace", "to replace"},
		{"delete", "to delete"},
		{"unchanged", "unchanged"},
		{"skip", "not restored because they follow another source"},
	} {
		if n := plan.Counts[part.name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, part.text))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	_, err := fmt.Fprintln(w, "titles:", strings.Join(parts, ", "))
	if err == nil && len(plan.Replace) > 0 {
		_, err = fmt.Fprintln(w, "  to replace:", named(plan.Replace, plan.Counts["replace"]))
	}
	if err == nil && len(plan.Delete) > 0 {
		_, err = fmt.Fprintln(w, "  to delete:", named(plan.Delete, plan.Counts["delete"]))
	}
	return err
}

// named returns the first of n ids.
func named(ids []string, n int) string {
	text := printable(strings.Join(ids[:min(len(ids), maxNamed)], ", "))
	if n > maxNamed {
		text += fmt.Sprintf(" and %d more", n-maxNamed)
	}
	return text
}
