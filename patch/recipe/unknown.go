package recipe

import (
	"maps"
	"slices"
	"strings"
)

// unknownMember returns the message for a member that an object cannot have.
func unknownMember(name, what string, known members) string {
	names := slices.Sorted(maps.Keys(known))
	best := ""
	for _, k := range names {
		if strings.EqualFold(k, name) || best == "" && len(name) < 40 && editDistance(k, name) <= len(k)/3 {
			best = k
		}
	}
	switch {
	case misplaced[name] != "" && known[misplaced[name]] != nil:
		best = misplaced[name]
	case best == "":
		return "is not a member of " + what + ": remove it, or use one of " + strings.Join(names, ", ")
	}
	return "is not a member of " + what + ": write " + best
}

// misplaced lists names that other formats use, with the member that has their meaning.
var misplaced = map[string]string{
	"minimumOS":     "minimumOperatingSystem",
	"minOS":         "minimumOperatingSystem",
	"regex":         "match",
	"pattern":       "match",
	"type":          "kind",
	"address":       "url",
	"user_agent":    "userAgent",
	"asset_match":   "assetMatch",
	"minimumSystem": "minOS",
}

// editDistance returns the number of bytes to insert, remove or replace to turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
