package guides

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxQuery = 100 // bytes that are looked at
	maxWords = 8
	maxFound = 40 // sections, and recipes
	// snippetBytes is the length of the text that is shown of a section, and snippetBefore that before the first word.
	snippetBytes, snippetBefore = 240, 60
)

// A result is a section that has all words of a query.
type result struct {
	section
	Snippet []part
	score   int
}

// A part is a part of a text. Marked parts are words of the query.
type part struct {
	Text   string
	Marked bool
}

// queryWords returns the words of a query in lower case.
func queryWords(query string) []string {
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	words := strings.FieldsFunc(strings.ToLower(query), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	})
	return words[:min(len(words), maxWords)]
}

// containsAll reports whether a text in lower case has all words.
func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// hasWord reports whether a word of a text in lower case begins with w. Names of alerts, which are written without
// spaces, are one word.
func hasWord(text, w string) bool {
	for i := range text {
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		if !unicode.IsLetter(before) && strings.HasPrefix(text[i:], w) {
			return true
		}
	}
	return false
}

// search returns the sections that have all words, the best first.
func (lib *library) search(words []string) (found []result) {
	if len(words) == 0 {
		return nil
	}
	for _, g := range lib.order {
		for _, s := range g.sections {
			title, text := strings.ToLower(s.Title), strings.ToLower(s.Text)
			if !containsAll(title+" "+text, words) {
				continue
			}
			r := result{section: s, Snippet: snippet(s.Text, words)}
			for _, w := range words {
				r.score += min(strings.Count(text, w), 5)
				if hasWord(title, w) {
					r.score += 20
				}
			}
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, func(a, b result) int { return b.score - a.score })
	return found[:min(len(found), maxFound)]
}

// snippet returns the part of a text around the first word that it has, with all words marked.
func snippet(text string, words []string) (parts []part) {
	lower := strings.ToLower(text)
	if len(lower) != len(text) { // a letter that has another length in lower case: nothing can be marked
		return []part{{Text: cut(text, 0)}}
	}
	first := len(text)
	for _, w := range words {
		if i := strings.Index(lower, w); i >= 0 {
			first = min(first, i)
		}
	}
	if first == len(text) {
		first = 0
	}
	from := max(0, first-snippetBefore)
	for from > 0 && text[from-1] != ' ' {
		from--
	}
	shown := cut(text, from)
	if from > 0 {
		parts = append(parts, part{Text: "… "})
	}
	for shown != "" {
		at, length := next(strings.ToLower(shown), words)
		if at > 0 {
			parts = append(parts, part{Text: shown[:at]})
		}
		if length > 0 {
			parts = append(parts, part{shown[at : at+length], true})
		}
		shown = shown[at+length:]
	}
	return parts
}

// next returns where the next of some words begins in a text, and its length. If there is none, it returns the length
// of the text and 0.
func next(text string, words []string) (at, length int) {
	at = len(text)
	for _, w := range words {
		if i := strings.Index(text, w); i >= 0 && (i < at || i == at && len(w) > length) {
			at, length = i, len(w)
		}
	}
	return at, length
}

// cut returns the text that a snippet shows from a place on.
func cut(text string, from int) string {
	end := from + snippetBytes
	if end >= len(text) {
		return text[from:]
	}
	for end > from && !utf8.RuneStart(text[end]) {
		end--
	}
	if space := strings.LastIndexByte(text[from:end], ' '); space > 0 {
		end = from + space
	}
	return text[from:end] + " …"
}
