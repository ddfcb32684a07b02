package patch

import (
	"cmp"
	"strings"
)

// A Version is a version string taken apart, for those who compare one many
// times. The zero Version is that of the empty string. Versions are immutable.
//
// Version order is a total preorder over all strings: each string has one key,
// and keys are compared part by part, so that sorting never depends on the order
// of the input. The parts are
//
//   - whether the string has a digit at all: "latest" is below "0.0.1";
//   - the release, the dotted numbers: leading zeros and trailing zero numbers
//     do not count, so 1 = 1.0 = 01.0, and numbers are of any length;
//   - the suffix: words of a pre-release (alpha, beta, rc and their like) stand
//     below the release itself, everything else (u171, SP2, p1, -01) above it;
//   - what only breaks ties: build numbers in brackets or behind a plus sign,
//     and words that say nothing about age (esr, final, arm64, universal);
//   - words in front of the first digit, as in "macOS 10.15.7".
//
// Case, a leading v, and the usual ways to write one thing do not matter:
// 1.0b3 = 1.0-beta.3 = 1.0 Beta 3.
//
// On semantic versions the order is that of semver.org, but for a few classes
// in which vendors of Mac software mean something else: digits within an
// identifier count as numbers (beta9 < beta10), words such as dev and nightly
// are below alpha, 1.2.3-1 is a rebuild above 1.2.3, case is folded, and build
// metadata breaks ties.
type Version struct {
	text    string   // as given
	nodigit string   // the normalised text of a string without a digit
	release []string // numbers without leading zeros; a zero is ""; no trailing zeros
	suffix  []token
	tie     []token
	lead    string
	written int // how many numbers the release was written with; 0: no digit
}

// ParseVersion takes a version string apart. Any string is a version.
func ParseVersion(s string) Version {
	p := parser{text: s}
	p.parse(normalise(s))
	return p.Version
}

// String returns the string that v was parsed from.
func (v Version) String() string { return v.text }

// Compare returns -1, 0 or 1 as v is older than, the same version as, or newer
// than w. Versions that are written differently may be the same.
func (v Version) Compare(w Version) int { return v.compare(&w) }

// Order is [Version.Compare] made strict, for sorting: of two strings that are
// the same version, the one with fewer numbers comes first, then the lesser in
// bytes. It is 0 only for identical strings.
func (v Version) Order(w Version) int {
	return cmp.Or(v.compare(&w), cmp.Compare(v.written, w.written), strings.Compare(v.text, w.text))
}

// CompareVersions is [Version.Compare] for strings. On plain dotted numbers it
// allocates nothing.
func CompareVersions(a, b string) int {
	if c, _, ok := comparePlain(a, b); ok {
		return c
	}
	v, w := ParseVersion(a), ParseVersion(b)
	return v.compare(&w)
}

// OrderVersions is [Version.Order] for strings. On plain dotted numbers it
// allocates nothing.
func OrderVersions(a, b string) int {
	if c, longer, ok := comparePlain(a, b); ok {
		return cmp.Or(c, longer, strings.Compare(a, b))
	}
	return ParseVersion(a).Order(ParseVersion(b))
}

func (v *Version) compare(w *Version) int {
	if v.written == 0 || w.written == 0 {
		return cmp.Or(cmp.Compare(v.written, w.written), strings.Compare(v.nodigit, w.nodigit))
	}
	return cmp.Or(
		compareRelease(v.release, w.release),
		compareSuffix(v.suffix, w.suffix),
		compareTie(v.tie, w.tie),
		strings.Compare(v.lead, w.lead),
	)
}

func compareRelease(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if c := compareNumber(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareNumber compares numbers without leading zeros. There is no integer
// type that holds what vendors write.
func compareNumber(a, b string) int {
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

func compareSuffix(a, b []token) int {
	afterPre := false // as long as the prefix is equal, it is so for both
	for i := range max(len(a), len(b)) {
		var x, y token // the zero token is the end
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := cmp.Compare(x.class.place(afterPre), y.class.place(afterPre)); c != 0 {
			return c
		}
		c := 0
		switch {
		case x.class == number:
			c = compareNumber(x.text, y.text)
		case afterPre:
			c = strings.Compare(x.text, y.text)
		default:
			c = cmp.Or(cmp.Compare(x.rank, y.rank), strings.Compare(x.text, y.text))
		}
		if c != 0 {
			return c
		}
		afterPre = afterPre || x.class == pre
	}
	return 0
}

// place is where a class of token stands among the others at one position of
// the suffix.
func (c class) place(afterPre bool) int {
	if afterPre {
		switch c {
		case end:
			return 0
		case number:
			return 1
		case revision:
			return 2
		}
		return 3 // a word, of whatever class
	}
	return int(c)
}

func compareTie(a, b []token) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		c := cmp.Compare(x.class, y.class) // a word is post: below number
		if c == 0 && x.class == number {
			c = compareNumber(x.text, y.text)
		} else if c == 0 {
			c = strings.Compare(x.text, y.text)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// comparePlain compares two strings of plain dotted numbers, and says which is
// written with more of them. It reports false for any other string.
func comparePlain(a, b string) (order, longer int, ok bool) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		x, n := plainNumber(a[i:])
		y, m := plainNumber(b[j:])
		if n == 0 || m == 0 {
			return 0, 0, false
		}
		if order == 0 {
			order = compareNumber(x, y)
		}
		i, j = i+n, j+m
	}
	if i == 0 { // one is empty
		return 0, 0, false
	}
	restA, okA := plainRest(a[i:])
	restB, okB := plainRest(b[j:])
	if !okA || !okB || a[len(a)-1] == '.' || b[len(b)-1] == '.' {
		return 0, 0, false
	}
	if order == 0 {
		order = cmp.Compare(restA, restB)
	}
	return order, cmp.Compare(len(a)-i, len(b)-j), true
}

// plainNumber takes the number at the start of s, without leading zeros, and
// says how many bytes it takes with the dot behind it. 0: s is not plain.
func plainNumber(s string) (number string, n int) {
	zeros := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		if zeros == n && s[n] == '0' {
			zeros++
		}
		n++
	}
	number = s[zeros:n]
	if n == 0 || n < len(s) && s[n] != '.' {
		return "", 0
	}
	if n < len(s) {
		n++
	}
	return number, n
}

// plainRest looks at the numbers that the other string does not have: 1 if one
// of them is not zero, else 0. It reports false if s is not plain.
func plainRest(s string) (more int, ok bool) {
	for s != "" {
		x, n := plainNumber(s)
		if n == 0 {
			return 0, false
		}
		if x != "" {
			more = 1
		}
		s = s[n:]
	}
	return more, true
}
