package releases

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// formVersions is the number of a title's newest versions whose forms a new version may have.
const formVersions = 10

// A form is what versions of one application have in common. A version in another form is probably not the one that
// Jamf Pro's inventory reports: that is how feeds that change, and feeds that were read wrongly, are recognized.
type form struct {
	prefix string // before the first digit, such as "build " or ""
	parts  int    // dotted numbers
	suffix string // after the numbers, with 0 for digits, such as " (0)"
}

// formOf returns the form of a version, and its first number. The number is -1 if there is none or it is very long.
func formOf(version string) (f form, first int) {
	start := strings.IndexFunc(version, isDigit)
	if start < 0 {
		return form{prefix: strings.ToLower(version)}, -1
	}
	f.prefix = strings.ToLower(version[:start])
	rest := version[start:]
	first = -1
	for {
		end := strings.IndexFunc(rest, func(r rune) bool { return !isDigit(r) })
		if end < 0 {
			end = len(rest)
		}
		if f.parts == 0 {
			if n, err := strconv.Atoi(rest[:end]); err == nil {
				first = n
			}
		}
		f.parts++
		rest = rest[end:]
		if len(rest) < 2 || rest[0] != '.' || !isDigit(rune(rest[1])) {
			break
		}
		rest = rest[1:]
	}
	f.suffix = suffixForm(rest)
	return f, first
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// suffixForm returns a suffix in lower case with a 0 for each number.
func suffixForm(s string) string {
	var b strings.Builder
	inNumber := false
	for _, r := range strings.ToLower(s) {
		if !isDigit(r) {
			b.WriteRune(r)
		} else if !inNumber {
			b.WriteByte('0')
		}
		inNumber = isDigit(r)
	}
	return b.String()
}

// forms are the forms that a new version of a title may have.
type forms struct {
	newest string
	first  int // number of newest
	known  []form
}

// formsOf returns the forms of the newest of a title's versions, which are sorted.
func formsOf(sorted []patch.Version) *forms {
	out := &forms{newest: sorted[len(sorted)-1].String()}
	_, out.first = formOf(out.newest)
	for _, v := range sorted[max(0, len(sorted)-formVersions):] {
		f, _ := formOf(v.String())
		if !slices.Contains(out.known, f) {
			out.known = append(out.known, f)
		}
	}
	return out
}

// objection returns why the form of a version is not that of the versions before, empty if it is.
func (f *forms) objection(version string) string {
	is, first := formOf(version)
	end := ": confirm that Jamf Pro's inventory reports it so"
	switch {
	case !f.any(func(k form) bool { return k.prefix == is.prefix }):
		return fmt.Sprintf("%s does not begin as %s does%s", version, f.newest, end)
	case !f.any(func(k form) bool { return k.suffix == is.suffix }):
		return fmt.Sprintf("%s does not end as %s does%s", version, f.newest, end)
	case !f.any(func(k form) bool { return k.parts == is.parts }):
		return fmt.Sprintf("%s has %s, unlike the versions before, such as %s%s",
			version, plural(is.parts, "dotted number"), f.newest, end)
	case !slices.Contains(f.known, is):
		return fmt.Sprintf("%s has another form than %s%s", version, f.newest, end)
	case f.first >= 0 && (first < 0 || first > 2*f.first+10):
		return fmt.Sprintf("%s begins with a much higher number than %s%s", version, f.newest, end)
	}
	return ""
}

func (f *forms) any(has func(form) bool) bool { return slices.ContainsFunc(f.known, has) }

// plural returns a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// A matcher is a regular expression that matches a whole version.
type matcher struct{ re *regexp.Regexp }

// newMatcher returns the matcher of an expression, nil if it is empty.
func newMatcher(expression string) (*matcher, error) {
	if expression == "" {
		return nil, nil
	}
	re, err := regexp.Compile(`^(?:` + expression + `)$`)
	if err != nil {
		return nil, fmt.Errorf("the policy expects an invalid regular expression: %w", err)
	}
	return &matcher{re}, nil
}

func (m *matcher) matches(version string) bool { return m.re.MatchString(version) }
