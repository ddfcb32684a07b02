package recipe

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// isSecret reports whether the name of a parameter is that of a secret. Rather too many are hidden than too few.
func isSecret(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	words := wordsOf(name)
	if len(words) == 0 {
		return false
	}
	if len(words) > 1 && words[0] == "x" && (words[1] == "amz" || words[1] == "goog") {
		return true
	}
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(secretWords, w) }) {
		return true
	}
	joined := strings.Join(words, "")
	last := words[len(words)-1]
	return slices.Contains(secretNames, joined) || slices.ContainsFunc(secretEnds, func(end string) bool {
		return strings.HasSuffix(joined, end) && !slices.Contains(harmlessWords, last)
	})
}

var (
	// secretWords are words that make a name that of a secret, such as auth[token] or X-Token-Id.
	secretWords = []string{
		"apikey", "auth", "authorization", "bearer", "credential", "credentials", "hmac", "jwt", "key", "otp", "pass",
		"passcode", "passphrase", "passwd", "password", "pwd", "secret", "serial", "session", "sessionid", "sid", "sig",
		"signature", "token",
	}
	// secretEnds are ends of names of secrets, whatever is before them.
	secretEnds = []string{
		"bearer", "credential", "credentials", "hmac", "jwt", "key", "pass", "passcode", "passphrase", "passwd",
		"password", "pwd", "secret", "serial", "serialnumber", "sessionid", "sig", "signature", "token",
	}
	// secretNames are further names of secrets.
	secretNames = []string{"keypairid", "licence", "license", "policy", "signed"}
	// harmlessWords are words that end like those of secrets.
	harmlessWords = []string{"bypass", "compass", "donkey", "hockey", "jockey", "monkey", "turkey", "whiskey"}
)

// wordsOf returns the words of a name in lower case: runs of letters and of digits, cut before a capital that follows
// a small letter.
func wordsOf(name string) (words []string) {
	fields := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, field := range fields {
		start, small := 0, false
		for i, r := range field {
			if small && unicode.IsUpper(r) {
				words = append(words, strings.ToLower(field[start:i]))
				start = i
			}
			small = unicode.IsLower(r)
		}
		words = append(words, strings.ToLower(field[start:]))
	}
	for len(words) > 1 && strings.Trim(words[len(words)-1], "0123456789") == "" {
		words = words[:len(words)-1] // an index, such as that of token[0]
	}
	return words
}
