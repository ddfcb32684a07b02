package safehttp

import (
	"net/url"
	"strings"
)

// unreadable is shown in place of a URL whose parts cannot be told apart.
const unreadable = "(unreadable URL)"

// Redact returns a URL without its user name, password, query and fragment, which may
// be secrets. What cannot be parsed is not shown at all, since a secret may be
// anywhere in it. A text that is no URL, such as the name of a file, stays as it is up
// to the first question mark or number sign.
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
