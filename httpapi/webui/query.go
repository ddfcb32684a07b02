package webui

import (
	"slices"
	"strings"
)

// A titleQuery is what was typed to find titles: text, and filters such as publisher:"Example Inc",
// bundle:com.example.app, source:watched and state:stale.
type titleQuery struct {
	Text, Publisher, Bundle, Source, State string
	// Problem says what of the query has no meaning. It is empty if all has.
	Problem string
}

// The values of the filters source and state.
var (
	querySources = []string{"manual", "followed", "watched"}
	queryStates  = []string{"warnings", "stale", "failing", "draft"}
)

// parseQuery parses a query. A word with an unknown filter is text, and so are the words around filters. The word stale
// alone is state:stale.
func parseQuery(q string) (t titleQuery) {
	var text []string
	for _, word := range queryWords(q) {
		name, value, ok := strings.Cut(word, ":")
		value = strings.ReplaceAll(value, `"`, "")
		switch name = strings.ToLower(name); {
		case word == "stale":
			t.State = "stale"
		case !ok || value == "":
			text = append(text, strings.ReplaceAll(word, `"`, ""))
		case name == "publisher":
			t.Publisher = value
		case name == "bundle":
			t.Bundle = value
		case name == "source":
			if t.Source = strings.ToLower(value); !slices.Contains(querySources, t.Source) {
				t.Problem = "A source is one of " + strings.Join(querySources, ", ") + "."
			}
		case name == "state":
			if t.State = strings.ToLower(value); !slices.Contains(queryStates, t.State) {
				t.Problem = "A state is one of " + strings.Join(queryStates, ", ") + "."
			}
		default:
			text = append(text, word)
		}
	}
	t.Text = strings.Join(text, " ")
	return t
}

// querySpace is the space between words.
const querySpace = " \t\r\n"

// queryWords returns the words of a query. Space in quotes does not end a word.
func queryWords(q string) []string {
	quoted := false
	return strings.FieldsFunc(q, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && strings.ContainsRune(querySpace, r)
	})
}

// With returns the query with another value of the filter source or state, which may be empty.
func (t titleQuery) With(name, value string) string {
	switch name {
	case "source":
		t.Source = value
	case "state":
		t.State = value
	}
	var words []string
	if t.Text != "" {
		words = append(words, t.Text)
	}
	for _, f := range [][2]string{
		{"publisher", t.Publisher}, {"bundle", t.Bundle}, {"source", t.Source}, {"state", t.State},
	} {
		switch {
		case f[1] == "":
		case strings.ContainsAny(f[1], querySpace):
			words = append(words, f[0]+`:"`+f[1]+`"`)
		default:
			words = append(words, f[0]+":"+f[1])
		}
	}
	return strings.Join(words, " ")
}
