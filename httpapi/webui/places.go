package webui

import (
	"bytes"
	"errors"
	"slices"
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
	// maxText is the size of a text that is shown to be corrected in the page.
	maxText = 1 << 20
)

// A note is something that is said of a line.
type note struct {
	Path, Message, Fix string
	Warning            bool
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
	// Notes are those that have no place in the text.
	Notes []note
	// Errors and Warnings count.
	Errors, Warnings int
}

// find puts what the API has said of a text to the lines that it is about. prefix is the
// path of the text in what the API was sent.
func find(text []byte, prefix string, failures []patch.Failure, warnings []patch.Warning) finding {
	text = readable(bytes.TrimPrefix(text, []byte("\ufeff")))
	f := finding{Errors: len(failures), Warnings: len(warnings)}
	var notes []note
	for _, e := range failures {
		notes = append(notes, note{Path: e.Path, Message: e.Message})
	}
	for _, w := range warnings {
		notes = append(notes, note{Path: w.Path, Message: w.Message, Fix: w.Fix, Warning: !w.Error})
	}
	places, broken := locate(text)
	said := map[int][]note{} // by line
	for _, n := range notes {
		at, ok := 0, false
		path := n.Path
		if rest, cut := strings.CutPrefix(path, prefix); cut {
			at, ok = place(places, rest)
		}
		if broken > 0 {
			at, ok = broken, true
		}
		n.Path = strings.TrimPrefix(path, prefix)
		if !ok {
			n.Path = path
			f.Notes = append(f.Notes, n)
			continue
		}
		said[at] = append(said[at], n)
	}
	f.Lines = excerpt(text, said)
	if len(text) <= maxText {
		f.Text = string(text)
	}
	return f
}

// readable gives a text that is one long line lines.
func readable(text []byte) []byte {
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

// locate returns the line of every value in a text of JSON by its JSON Pointer, counted
// from 1; a member's is that of its name. broken is the line at which the text stops
// being JSON; 0: it is JSON.
func locate(text []byte) (places map[string]int, broken int) {
	places = map[string]int{}
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	at, line := 0, 1
	for {
		_, err := dec.ReadToken()
		if err != nil {
			var syntax *jsontext.SyntacticError
			if errors.As(err, &syntax) {
				offset := min(int(syntax.ByteOffset), len(text))
				return places, 1 + bytes.Count(text[:offset], []byte("\n"))
			}
			return places, 0 // it ends
		}
		end := int(dec.InputOffset())
		line += bytes.Count(text[at:end], []byte("\n"))
		at = end
		pointer := string(dec.StackPointer())
		if _, ok := places[pointer]; !ok {
			places[pointer] = line
		}
	}
}

// place returns the line of a pointer, or of the innermost value around it that there
// is.
func place(places map[string]int, pointer string) (line int, ok bool) {
	for {
		if line, ok := places[pointer]; ok {
			return line, true
		}
		i := strings.LastIndexByte(pointer, '/')
		if i < 0 {
			return 0, false
		}
		pointer = pointer[:i]
	}
}

// excerpt returns the lines that something is said of, and those around them.
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
		lines = append(lines, line{Number: number, Text: shorten(t, longLine), Notes: said[number], Gap: number > shown+1})
		shown = number
		if len(lines) == mostLines {
			break
		}
	}
	// What is said of the end of a text that ends in a line break.
	if after := said[number+1]; after != nil {
		lines = append(lines, line{Number: number + 1, Notes: after})
	}
	return slices.Clip(lines)
}
