package httpapi

import "strings"

// respondAsync is the preference of a client that does not wait for an answer that takes long (RFC 7240, section 4.1).
const respondAsync = "respond-async"

// prefers reports whether the values of the header Prefer have a preference that takes no value. As RFC 7240 demands,
// names are compared without regard to case, an empty value counts as none, the first of several preferences with the
// same name counts, and parameters are ignored.
func prefers(header []string, name string) bool {
	for _, value := range header {
		for preference := range splitQuoted(value, ',') {
			for part := range splitQuoted(preference, ';') { // the first part is the preference itself
				found, word, _ := strings.Cut(part, "=")
				if strings.EqualFold(strings.TrimSpace(found), name) {
					word = strings.TrimSpace(word)
					return word == "" || word == `""`
				}
				break
			}
		}
	}
	return false
}

// splitQuoted yields the parts of s between separators that are not within a quoted string.
func splitQuoted(s string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++ // the next character is escaped
			case s[i] == '"':
				quoted = !quoted
			case s[i] == separator && !quoted:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}
