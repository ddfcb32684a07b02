package patch

import (
	"cmp"
	"strings"
)

// A Version is a parsed version string, for callers that compare one many times. The zero Version is that of the empty
// string. Versions are immutable.
//
// Version order is a total preorder of all strings: each string has one key, and keys are compared part by part, so
// that the result of sorting never depends on the order of the input. The parts are
//
//   - whether the string has a digit: "latest" is below "0.0.1";
//   - the release, which is the dotted numbers: leading zeros and trailing zero numbers do not count, so that
//     1 = 1.0 = 01.0, and numbers may have any length;
//   - the suffix: words of a pre-release (alpha, beta, rc and the like) are below the release itself, everything else
//     (u171, SP2, p1, -01) is above it;
//   - what only breaks ties: build numbers in brackets or after a plus sign, and words that do not depend on age (esr,
//     final, arm64, universal);
//   - words before the first digit, as in "macOS 10.15.7".
//
// Case, a leading v, and the usual notations for the same thing do not matter: 1.0b3 = 1.0-beta.3 = 1.0 Beta 3.
//
// For semantic versions, the order is that of semver.org, apart from a few cases in which vendors of Mac software
// mean something else: digits within an identifier count as numbers (beta9 < beta10), words such as dev and nightly
// are below alpha, 1.2.3-1 is a rebuild above 1.2.3, case is ignored, and build metadata breaks ties.
type Version struct {
	text    string   // as given
	nodigit string   // the normalized text of a string without a digit
	release []string // numbers without leading zeros; zero is ""; no trailing zeros
	suffix  []token
	tie     []token
	lead    string
	written int // the number of numbers as written; 0 if there is no digit
}

// A class is the kind of a token in a suffix. The order of the constants is that of tokens at one position, unless a
// pre-release token precedes them.
type class int8

const (
	pre      class = iota - 1 // a word of a pre-release
	end                       // the zero token: the end of the suffix
	revision                  // a number follows a number, but not after a dot
	post                      // any other word
	number
	tie // text that only breaks ties, which is not part of the suffix
)

type token struct {
	class class
	rank  int8   // of a pre-release word: its closeness to the release
	text  string // a word, or a number without leading zeros
}

// ParseVersion parses a version string. Every string is a version.
func ParseVersion(s string) Version {
	text := s
	if !isASCII(s) {
		text = string(appendNormalized(nil, s))
	}
	v := Version{text: s}
	v.read(scanner{text: strings.ToLower(text)})
	return v
}

// read reads the parts of a key from a scanner of a text in lower case.
func (v *Version) read(s scanner) {
	if !s.skipLead() {
		v.nodigit = strings.Join(strings.Fields(s.text), " ")
		return
	}
	v.lead = lead(s)
	for more := true; more; {
		var number string
		number, more = s.releaseNumber()
		v.release = append(v.release, number)
	}
	v.written = len(v.release)
	for n := len(v.release); n > 0 && v.release[n-1] == ""; n-- {
		v.release = v.release[:n-1]
	}
	for t := s.suffixToken(); t.class != end; t = s.suffixToken() {
		v.suffix = append(v.suffix, t)
	}
	if !s.hasTies() {
		return
	}
	s.restartTies()
	for t := s.nextTie(); t.class != end; t = s.nextTie() {
		v.tie = append(v.tie, t)
	}
}

// lead returns the words before the first digit.
func lead(s scanner) string {
	s.at = 0
	var words []string
	for word := s.leadWord(); word != ""; word = s.leadWord() {
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// String returns the string that v was parsed from.
func (v Version) String() string { return v.text }

// Compare returns -1, 0 or 1 if v is older than, the same version as, or newer than w. Different strings may be the
// same version.
func (v Version) Compare(w Version) int { return v.compare(&w) }

// Order is like [Version.Compare] but strict, for sorting: of two notations of the same version, the one with fewer
// numbers comes first, then the one whose bytes are less. It returns 0 only for identical strings.
func (v Version) Order(w Version) int {
	return cmp.Or(v.compare(&w), cmp.Compare(v.written, w.written), strings.Compare(v.text, w.text))
}

// CompareVersions reports which of two versions is newer; for sorting use [OrderVersions]. It is [Version.Compare] for
// strings. It allocates only for a string with characters beyond ASCII that is longer than about 32 bytes.
func CompareVersions(a, b string) int {
	order, _ := compareStrings(a, b)
	return order
}

// OrderVersions orders versions for sorting; to find out which one is newer use [CompareVersions]. It is
// [Version.Order] for strings. It allocates as little as CompareVersions.
func OrderVersions(a, b string) int {
	order, longer := compareStrings(a, b)
	return cmp.Or(order, longer, strings.Compare(a, b))
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

// compareNumber compares numbers without leading zeros. They may be too large for any integer type.
func compareNumber(a, b string) int {
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(a, b) // strings.Compare would move its arguments to the heap
}

func compareSuffix(a, b []token) int {
	afterPre := false // the same for both, because their tokens so far are equal
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

// place returns the place of a class among the others at one position of the suffix.
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
		return 3 // words of every class
	}
	return int(c)
}

func compareTie(a, b []token) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		c := cmp.Compare(x.class, y.class) // words have the class post, which is below number
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
