package patch

import (
	"fmt"
	"regexp"
	"time"
)

// timeLayout is the form of every time that this package writes: UTC, whole seconds.
const timeLayout = "2006-01-02T15:04:05Z"

// isoTime matches the ISO 8601 that is accepted. time.Parse alone would also accept hours of one digit.
var isoTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}([.,]\d{1,9})?(Z|[+-]\d{2}:?\d{2})$`)

// ParseTime parses a time of a definition: ISO 8601 with a time zone, such as 2018-02-02T17:39:58Z,
// 2018-02-02T17:39:58.25Z or 2018-02-02T18:39:58+01:00 (the colon may be missing). Its year in UTC must be 1 to
// 9999. The error is [ErrInvalid].
func ParseTime(s string) (time.Time, error) {
	if isoTime.MatchString(s) {
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
			if t, err := time.Parse(layout, s); err == nil {
				t = t.UTC()
				if t.Year() >= 1 && t.Year() <= 9999 {
					return t, nil
				}
			}
		}
	}
	return time.Time{}, fmt.Errorf("%w: %s", ErrInvalid, notATime(s))
}

// FormatTime formats a time as definitions have it: UTC, in whole seconds, such as 2018-02-02T17:39:58Z.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// notATime returns the message for a string that is not a time.
func notATime(s string) string {
	return fmt.Sprintf("must be a time in ISO 8601 with a time zone, such as 2018-02-02T17:39:58Z: %q is not",
		shorten(s))
}
