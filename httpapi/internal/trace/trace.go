// Package trace records how requests are answered, and names each of them by an id.
package trace

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// token matches a token, or the beginning of one.
var token = regexp.MustCompile(tokenPrefix + `[0-9A-Za-z]{4,}`)

// tokenPrefix is the beginning of every token.
const tokenPrefix = "pst_"

// Path returns the path of a request as it is logged: bounded, and without a token that is in it by mistake.
func Path(r *http.Request) string { return withoutTokens(Shorten(r.URL.Path)) }

// withoutTokens returns s without the tokens in it. Nearly every s has none.
func withoutTokens(s string) string {
	if !strings.Contains(s, tokenPrefix) {
		return s
	}
	return token.ReplaceAllString(s, tokenPrefix+"…")
}

// hiddenURL is shown in place of a URL whose parts cannot be identified.
const hiddenURL = "(unreadable URL)"

// URL returns the URL of an upstream as it is shown and logged: without the user name, password, query and fragment,
// which may be secrets. A URL that cannot be parsed is not shown, since a secret may be anywhere in it. A text that is
// no URL, such as the name of a file, is shown up to the first question mark or number sign, and the key of a folder
// whole.
func URL(raw string) string {
	if strings.HasPrefix(raw, "folder:") {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return hiddenURL
	}
	if u.Host != "" {
		u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
		return u.String()
	}
	before, _, hasAt := strings.Cut(raw, "@")
	if u.User != nil || hasAt && strings.Contains(before, ":") {
		return hiddenURL // a URL without its scheme, such as user:password@host
	}
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		return raw[:at]
	}
	return raw
}

// maxRepeated bounds the bytes that an answer or a line of the log repeats of a request.
const maxRepeated = 255

// Shorten returns s, cut after 255 bytes.
func Shorten(s string) string {
	if len(s) <= maxRepeated {
		return s
	}
	return strings.ToValidUTF8(s[:maxRepeated], "") + "…"
}
