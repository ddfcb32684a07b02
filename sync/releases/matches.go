package releases

import (
	"io"
	"regexp"
	"unicode/utf8"
)

const (
	// maxMatchSteps bounds the work of finding all matches of an expression in a text to some seconds. It is a number
	// of characters times instructions: a search takes a step for each instruction that may be at work on a character.
	maxMatchSteps = 1 << 28
	// stepsPerCharacter is the cost of a character besides that of the instructions.
	stepsPerCharacter = 32
	// maxMatches is the maximum number of matches in a text.
	maxMatches = 10 * MaxReleases
)

// findMatches calls found for each match of an expression in a text, as [regexp.Regexp.FindAllSubmatch] finds them,
// until found returns an error.
//
// Each search takes time in proportion to the text that it looks at, but it may look far beyond its match: finding all
// matches of (?s)x.*y|x in a page of x takes quadratic time. The searches therefore read the text through a reader that
// counts, and together they may read it once, and then as much as maxMatchSteps permits.
func findMatches(re *regexp.Regexp, text []byte, found func(match []string) error) error {
	size, err := regexSize(re.String())
	if err != nil {
		return unreadable("match is not a regular expression: %w", err)
	}
	if size*len(text) > maxMatchSteps {
		return unreadable("match is too large for an answer of %d KiB: make it shorter, or its repetitions fewer",
			len(text)>>10)
	}
	// A search that does not begin at the start of the text begins one character earlier, so that ^ and \b see it.
	later, err := compile(`(?s:.)(?:` + re.String() + `)`)
	if err != nil {
		return unreadable("match is not a regular expression: %w", err)
	}
	r := &countingReader{text: text, left: len(text) + maxMatchSteps/(size+stepsPerCharacter)}
	end := -1 // of the match before
	for at, n := 0, 0; at <= len(text); n++ {
		if n == maxMatches {
			return unreadable("match matches more than %d times: make it more specific", maxMatches)
		}
		loc := r.search(re, later, at)
		switch {
		case r.left < 0:
			return unreadable("match takes too long on this answer: make it more specific")
		case loc == nil:
			return nil
		}
		empty := loc[1] == at
		accept := !empty || loc[0] != end // an empty match that adjoins the one before does not count
		end = loc[1]
		if at = loc[1]; empty {
			_, width := utf8.DecodeRune(text[at:])
			at += max(width, 1)
		}
		if !accept {
			continue
		}
		if err := found(submatches(text, loc)); err != nil {
			return err
		}
	}
	return nil
}

// maxValueSteps is maxMatchSteps for the values of an answer, which are much shorter than a text.
const maxValueSteps = maxMatchSteps / 4

// A matchBudget bounds the work of matching one expression in the values of an answer, as findMatches bounds that in a
// text.
type matchBudget struct{ size, left int }

// newMatchBudget returns the budget of an expression for an answer. An empty expression, and an invalid one, cost
// nothing.
func newMatchBudget(expr string) *matchBudget {
	b := &matchBudget{left: maxValueSteps}
	if expr == "" {
		return b
	}
	if size, err := regexSize(expr); err == nil {
		b.size = size + stepsPerCharacter
	}
	return b
}

// spend takes the work of matching a value of n bytes, of which at most maxSubject are looked at.
func (b *matchBudget) spend(n int) error {
	if b.left -= b.size * min(n, maxSubject); b.left < 0 {
		return unreadable("the expressions of the feed take too long on this answer: make them more specific")
	}
	return nil
}

// submatches returns the texts of a match, as [regexp.Regexp.FindSubmatch] does.
func submatches(text []byte, loc []int) []string {
	match := make([]string, len(loc)/2)
	for i := range match {
		if loc[2*i] >= 0 {
			match[i] = string(text[loc[2*i]:loc[2*i+1]])
		}
	}
	return match
}

// A countingReader reads the characters of a text, and ends after a number of them.
type countingReader struct {
	text []byte
	at   int
	left int // bytes that may be read; below 0 if more were asked for
}

// ReadRune implements [io.RuneReader].
func (r *countingReader) ReadRune() (rune, int, error) {
	if r.at == len(r.text) {
		return 0, 0, io.EOF
	}
	c, width := utf8.DecodeRune(r.text[r.at:])
	if r.left -= width; r.left < 0 {
		return 0, 0, io.EOF
	}
	r.at += width
	return c, width, nil
}

// search returns the locations of the first match that begins at a place or after it. later is the expression with any
// character before it.
func (r *countingReader) search(re, later *regexp.Regexp, at int) []int {
	if at == 0 {
		r.at = 0
		return re.FindReaderSubmatchIndex(r)
	}
	_, width := utf8.DecodeLastRune(r.text[:at])
	start := at - width
	r.at = start
	loc := later.FindReaderSubmatchIndex(r)
	if loc == nil {
		return nil
	}
	for i := range loc {
		if loc[i] >= 0 {
			loc[i] += start
		}
	}
	_, width = utf8.DecodeRune(r.text[loc[0]:])
	loc[0] += width
	return loc
}
