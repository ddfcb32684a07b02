package releases

import (
	"strconv"
	"strings"
	"time"
)

// isMacOS reports whether a version of macOS exists, or may exist within a year: 10.0 to 10.16, 11 to 15, and then the
// ones that are named after the year that follows their release, such as 26 in 2025.
func isMacOS(version string, now time.Time) bool {
	parts := strings.Split(version, ".")
	if len(parts) > 3 {
		return false
	}
	numbers := make([]int, 3)
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return false
		}
		numbers[i] = int(n)
	}
	switch major := numbers[0]; {
	case major == 10:
		return numbers[1] <= 16
	case major >= 11 && major <= 15:
		return true
	default:
		return major >= 26 && major <= now.Year()-2000+2
	}
}
