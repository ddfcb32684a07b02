package webui

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
)

const (
	// around is how many lines are shown before and after one that something is said of.
	around = 3
	// longLine is the length from which a line is too long to show places in.
	longLine = 400
	// mostLines is how many lines are shown.
	mostLines = 2000
	// maxIndented is the size up to which a text in one line is given lines.
	maxIndented = 256 << 10
	// maxText is the size of a text that is shown to be corrected in the page.
	maxText = 1 << 20
)

// A note is something that is said of a line.
type note struct {
	Path, Message, Fix string
	Warning            bool

	spot *spot
}

// A line is a line of a text, with what is said of it.
type line struct {
	Number int
	Text   string
	Notes  []note
	// Gap says that lines before it are left out.
	Gap bool
}

// A finding is what is wrong with a text of JSON, each thing at its line.
type finding struct {
	Text  string // as it is shown; empty if it is too long
	Lines []line
	// Notes are those that have no place in what is shown.
	Notes []note
}

// find puts what the API has said of a text to the lines that it is about. prefix is the
// path of the text in what the API was sent. It takes time and memory in proportion to the
// text, whatever that is.
func find(text []byte, prefix string, failures []patch.Failure, warnings []patch.Warning) (f finding) {
	var notes []note
	for _, e := range failures {
		notes = append(notes, note{Path: e.Path, Message: e.Message})
	}
	for _, w := range warnings {
		notes = append(notes, note{Path: w.Path, Message: w.Message, Fix: w.Fix, Warning: !w.Error})
	}
	var syntax *patch.SyntaxError
	err := patch.CheckSyntax(text, nil)
	if err == nil {
		text = readable(text)
	}
	if len(text) <= maxText {
		f.Text = string(text)
	}
	wanted := &spot{}
	for i := range notes {
		if rest, ok := strings.CutPrefix(notes[i].Path, prefix); ok {
			notes[i].Path, notes[i].spot = rest, wanted.at(rest)
		}
	}
	switch {
	case errors.As(err, &syntax):
		wanted.line = syntax.Line
	case err == nil && len(notes) > 0:
		wanted.locate(text)
	}
	said := map[int][]note{} // by line
	for _, n := range notes {
		if at := n.spot.place(); at > 0 {
			said[at] = append(said[at], n)
		} else {
			f.Notes = append(f.Notes, n)
		}
	}
	f.Lines = excerpt(text, said)
	for _, number := range slices.Sorted(maps.Keys(said)) { // what is not shown is said all the same
		f.Notes = append(f.Notes, said[number]...)
	}
	return f
}

// readable gives a text that is JSON in one long line lines.
func readable(text []byte) []byte {
	if len(text) > maxIndented {
		return text
	}
	for l := range bytes.Lines(text) {
		if len(l) > longLine {
			v := jsontext.Value(bytes.Clone(text))
			if v.Indent(jsontext.WithIndent("  ")) == nil {
				return v
			}
			break
		}
	}
	return text
}

// A spot is a place in a text of JSON that something is said of, with those below it.
type spot struct {
	parent *spot
	below  map[string]*spot // by a member's name, or an element's index
	line   int              // counted from 1, a member's is that of its name; 0: it is not there
}

// at returns the spot of a JSON Pointer.
func (s *spot) at(pointer string) *spot {
	for token := range jsontext.Pointer(pointer).Tokens() {
		next := s.below[token]
		if next == nil {
			next = &spot{parent: s}
			if s.below == nil {
				s.below = map[string]*spot{}
			}
			s.below[token] = next
		}
		s = next
	}
	return s
}

// place returns the line of a spot, or of the innermost one around it that is there; 0: of
// none.
func (s *spot) place() int {
	for ; s != nil; s = s.parent {
		if s.line > 0 {
			return s.line
		}
	}
	return 0
}

// locate finds the lines of a spot and of those below it in a text that is JSON. What
// nothing is said of it passes over.
func (s *spot) locate(text []byte) {
	w := &walker{dec: jsontext.NewDecoder(bytes.NewReader(text)), text: text, line: 1}
	if w.next() {
		s.line = w.line
		w.value(s)
	}
}

// A walker goes through a text.
type walker struct {
	dec  *jsontext.Decoder
	text []byte
	at   int // up to where lines are counted
	line int
}

// next goes to the beginning of the next token, and reports whether there is one.
func (w *walker) next() bool {
	kind := w.dec.PeekKind()
	if kind == jsontext.KindInvalid {
		return false
	}
	// What is before it are blanks, a comma and a colon.
	start := int(w.dec.InputOffset())
	for start < len(w.text) && strings.IndexByte(" \t\r\n,:", w.text[start]) >= 0 {
		start++
	}
	w.line += bytes.Count(w.text[w.at:start], []byte("\n"))
	w.at = start
	return true
}

// value goes through the value that begins here.
func (w *walker) value(s *spot) {
	if s == nil || s.below == nil {
		_ = w.dec.SkipValue() // an error is met again
		return
	}
	switch kind := w.dec.PeekKind(); kind {
	case '{', '[':
		_, _ = w.dec.ReadToken()
		for i := 0; w.next() && w.dec.PeekKind() != '}' && w.dec.PeekKind() != ']'; i++ {
			name := strconv.Itoa(i)
			line := w.line
			if kind == '{' {
				token, err := w.dec.ReadToken()
				if err != nil {
					return
				}
				if name = token.String(); !w.next() {
					return
				}
			}
			below := s.below[name]
			if below != nil {
				below.line = line
			}
			w.value(below)
		}
		_, _ = w.dec.ReadToken()
	default:
		_ = w.dec.SkipValue()
	}
}

// excerpt returns the lines that something is said of, and those around them. It takes
// what is shown out of said.
func excerpt(text []byte, said map[int][]note) (lines []line) {
	shown := 0
	number := 0
	for l := range bytes.Lines(text) {
		number++
		near := false
		for i := number - around; i <= number+around && !near; i++ {
			near = said[i] != nil
		}
		if !near {
			continue
		}
		t := strings.ToValidUTF8(strings.TrimRight(string(l), "\r\n"), "\ufffd")
		lines = append(
			lines,
			line{Number: number, Text: shorten(t, longLine), Notes: said[number], Gap: number > shown+1},
		)
		shown = number
		if len(lines) == mostLines {
			break
		}
	}
	// What is said of the end of a text that ends in a line break.
	if after := said[number+1]; after != nil && len(lines) < mostLines {
		lines = append(lines, line{Number: number + 1, Notes: after})
	}
	for _, l := range lines {
		delete(said, l.Number)
	}
	return slices.Clip(lines)
}
