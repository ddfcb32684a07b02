package safehttp

import (
	"net/url"
	"strings"
)

// unreadable replaces a URL whose parts cannot be identified.
const unreadable = "(unreadable URL)"

// Redact returns a URL without its user name, password, query and fragment, which may be secrets. A URL that cannot be
// parsed is replaced as a whole, because a secret may be anywhere in it. A text that is not a URL, such as a file name,
// is cut at the first question mark or number sign.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return unreadable
	}
	if u.Host != "" {
		u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
		return u.String()
	}
	before, _, hasAt := strings.Cut(raw, "@")
	if u.User != nil || hasAt && strings.Contains(before, ":") {
		return unreadable // a mistyped URL, such as user:password@host
	}
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		return raw[:at]
	}
	return raw
}
