package releases

import (
	"fmt"
	"math"
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

// formOf returns the form of a version, and its numbers: the dotted ones, and then those of the suffix.
func formOf(version string) (f form, numbers []string) {
	start := strings.IndexFunc(version, isDigit)
	if start < 0 {
		return form{prefix: strings.ToLower(version)}, nil
	}
	f.prefix = strings.ToLower(version[:start])
	rest := version[start:]
	for {
		end := strings.IndexFunc(rest, func(r rune) bool { return !isDigit(r) })
		if end < 0 {
			end = len(rest)
		}
		numbers = append(numbers, rest[:end])
		rest = rest[end:]
		if len(rest) < 2 || rest[0] != '.' || !isDigit(rune(rest[1])) {
			break
		}
		rest = rest[1:]
	}
	f.parts = len(numbers)
	f.suffix = suffixForm(rest)
	return f, append(numbers, strings.FieldsFunc(rest, func(r rune) bool { return !isDigit(r) })...)
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
	newest  string
	numbers []string // of newest
	known   []form
	// largest are the largest numbers of the title's versions by their places, and listed those of the feed's, which
	// count where the title has none.
	largest, listed map[place]versionNumber
}

// formsOf returns the forms of the newest of a title's versions, which are sorted.
func formsOf(sorted []patch.Version) *forms {
	out := &forms{
		newest:  sorted[len(sorted)-1].String(),
		largest: map[place]versionNumber{},
		listed:  map[place]versionNumber{},
	}
	_, out.numbers = formOf(out.newest)
	for _, v := range sorted[max(0, len(sorted)-formVersions):] {
		out.learn(v.String(), out.largest)
	}
	return out
}

// learn adds the form of a version, and its numbers where they are larger than those in largest.
func (f *forms) learn(version string, largest map[place]versionNumber) {
	is, numbers := formOf(version)
	if !slices.Contains(f.known, is) {
		f.known = append(f.known, is)
	}
	for i, text := range numbers {
		at, n := is.place(i), parseNumber(text)
		if n.value >= largest[at].value {
			largest[at] = n
		}
	}
}

// objection returns why the form of a version is not that of the versions before, empty if it is.
func (f *forms) objection(version string) string {
	is, numbers := formOf(version)
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
	case len(numbers) > 0 && len(f.numbers) > 0 && jumps(f.numbers[0], numbers[0]):
		return fmt.Sprintf("%s begins with a much higher number than %s%s", version, f.newest, end)
	}
	for i, text := range numbers {
		largest, ok := f.largest[is.place(i)]
		if !ok {
			largest = f.listed[is.place(i)]
		}
		if parseNumber(text).exceeds(largest) {
			return fmt.Sprintf("%s has a much higher number, %s, than the versions before, such as %s%s",
				version, text, f.newest, end)
		}
	}
	return ""
}

// jumps reports whether the first number of a version is much higher than that of the version before. A year may be
// followed by one of the next two, and a number above 100 grows by at most half.
func jumps(old, next string) bool {
	before, after := parseNumber(old).value, parseNumber(next).value
	switch {
	case before >= 1990 && before <= 2100:
		return after > before+2
	case before > 100:
		return after > before*1.5
	}
	return after > 2*before+10
}

// A place is that of a number in a version: a dotted one, or one in the suffix.
type place struct {
	inSuffix bool
	index    int
}

// place returns the place of the number with an index.
func (f form) place(i int) place {
	if i < f.parts {
		return place{false, i}
	}
	return place{true, i - f.parts}
}

// A versionNumber is a number in a version. The zero versionNumber is 0.
type versionNumber struct {
	value  float64
	digits int // without zeros before it
}

func parseNumber(digits string) versionNumber {
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil { // only +Inf for very many digits
		value = math.MaxFloat64
	}
	return versionNumber{value, max(1, len(strings.TrimLeft(digits, "0")))}
}

// exceeds reports whether a number is so much larger than the largest one at its place before that it is probably
// something else, such as a build or a date.
func (n versionNumber) exceeds(largest versionNumber) bool {
	return n.digits >= max(1, largest.digits)+3 || n.digits >= 5 && n.value > 100*largest.value
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
