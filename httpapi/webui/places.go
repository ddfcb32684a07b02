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
	// contextLines is the number of lines that are shown before and after a line with notes.
	contextLines = 3
	// maxLine limits the length of a line that is shown.
	maxLine = 400
	// maxLines limits the number of lines that are shown.
	maxLines = 2000
	// maxIndented limits the size of a text that is indented because it has long lines.
	maxIndented = 256 << 10
	// maxText limits the size of a text that is shown in a form, to be corrected.
	maxText = 1 << 20
)

// A note is an error or a warning about a text.
type note struct {
	Path, Message, Fix string
	Warning            bool

	spot *spot
}

// A line is a line of a text with its notes.
type line struct {
	Number int
	Text   string
	Notes  []note
	// Gap says that lines before this one are left out.
	Gap bool
}

// A finding is a text of JSON with the notes about it, each at its line.
type finding struct {
	Text  string // as it is shown; empty if it is too long
	Lines []line
	// Notes are the notes that belong to no line that is shown.
	Notes []note
}

// find returns a text with the failures and warnings of the API at the lines that they are about. prefix is the path of
// the text in the request. The time and memory that find needs are proportional to the size of the text.
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
	byLine := map[int][]note{}
	for _, n := range notes {
		if number := n.spot.lineNumber(); number > 0 {
			byLine[number] = append(byLine[number], n)
		} else {
			f.Notes = append(f.Notes, n)
		}
	}
	f.Lines = excerpt(text, byLine)
	for _, number := range slices.Sorted(maps.Keys(byLine)) { // the lines that are not shown
		f.Notes = append(f.Notes, byLine[number]...)
	}
	return f
}

// readable returns a text of JSON, indented if it has long lines.
func readable(text []byte) []byte {
	if len(text) > maxIndented {
		return text
	}
	for l := range bytes.Lines(text) {
		if len(l) > maxLine {
			v := jsontext.Value(bytes.Clone(text))
			if v.Indent(jsontext.WithIndent("  ")) == nil {
				return v
			}
			break
		}
	}
	return text
}

// A spot is a place in a text of JSON that has notes, or has spots with notes below it.
type spot struct {
	parent *spot
	below  map[string]*spot // by the name of a member, or the index of an element
	// line is the number of the line, counted from 1. That of a member is that of its name. It is 0 if the text does
	// not have the spot.
	line int
}

// at returns the spot of a JSON Pointer. It adds the spot if it does not exist.
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

// lineNumber returns the line of a spot, or of the innermost spot around it that the text has, or 0 if there is none.
func (s *spot) lineNumber() int {
	for ; s != nil; s = s.parent {
		if s.line > 0 {
			return s.line
		}
	}
	return 0
}

// locate sets the lines of a spot and of those below it in a text that is valid JSON. It skips the values that have no
// spot.
func (s *spot) locate(text []byte) {
	w := &walker{dec: jsontext.NewDecoder(bytes.NewReader(text)), text: text, line: 1}
	if w.next() {
		s.line = w.line
		w.value(s)
	}
}

// A walker reads a text and counts its lines.
type walker struct {
	dec  *jsontext.Decoder
	text []byte
	at   int // the offset up to which lines are counted
	line int
}

// next advances to the beginning of the next token. It reports whether there is one.
func (w *walker) next() bool {
	kind := w.dec.PeekKind()
	if kind == jsontext.KindInvalid {
		return false
	}
	// Before the token are space, a comma or a colon.
	start := int(w.dec.InputOffset())
	for start < len(w.text) && strings.IndexByte(" \t\r\n,:", w.text[start]) >= 0 {
		start++
	}
	w.line += bytes.Count(w.text[w.at:start], []byte("\n"))
	w.at = start
	return true
}

// value reads the value that begins here.
func (w *walker) value(s *spot) {
	if s == nil || s.below == nil {
		_ = w.dec.SkipValue() // the next call returns the error, too
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

// excerpt returns the lines that have notes, and those around them. It deletes the notes that are shown from byLine.
func excerpt(text []byte, byLine map[int][]note) (lines []line) {
	shown := 0
	number := 0
	for l := range bytes.Lines(text) {
		number++
		near := false
		for i := number - contextLines; i <= number+contextLines && !near; i++ {
			near = byLine[i] != nil
		}
		if !near {
			continue
		}
		t := strings.ToValidUTF8(strings.TrimRight(string(l), "\r\n"), "\ufffd")
		lines = append(lines,
			line{Number: number, Text: shorten(t, maxLine), Notes: byLine[number], Gap: number > shown+1})
		shown = number
		if len(lines) == maxLines {
			break
		}
	}
	// A note can be about the end of a text that ends in a line break.
	if after := byLine[number+1]; after != nil && len(lines) < maxLines {
		lines = append(lines, line{Number: number + 1, Notes: after})
	}
	for _, l := range lines {
		delete(byLine, l.Number)
	}
	return slices.Clip(lines)
}
