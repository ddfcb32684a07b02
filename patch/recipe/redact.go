package recipe

import (
	"net/url"
	"slices"
	"strings"
)

// redacted is the value of a secret that is not shown.
const redacted = "REDACTED"

// Redacted returns the feed as it may be shown: its URL and Referer are without user names and passwords, and the
// values of query parameters whose names are those of secrets, such as token, api_key or X-Amz-Signature, are
// REDACTED.
func (f *Feed) Redacted() Feed {
	out := *f
	out.URL = redactURL(f.URL)
	out.Referer = redactURL(f.Referer)
	return out
}

// Redacted returns the recipe with its feed as [Feed.Redacted] returns it.
func (r *Recipe) Redacted() Recipe {
	out := *r
	out.Feed = r.Feed.Redacted()
	return out
}

// KeepSecrets restores the secrets of a feed that was shown and comes back edited: if f has the URL of old as
// [Feed.Redacted] shows it, f takes the URL of old, and the Referer likewise. A user name and password in a URL can
// therefore only be removed by changing the rest of the URL too.
//
// The error is a *[patch.ValidationError] if a value remains REDACTED: it was shown by another feed, or the rest of the
// URL was changed. To check a feed without an earlier one, pass the zero Feed.
func (f *Feed) KeepSecrets(old Feed) error {
	var c checker
	for _, u := range []struct {
		path string
		now  *string
		old  string
	}{
		{"/feed/url", &f.URL, old.URL},
		{"/feed/referer", &f.Referer, old.Referer},
	} {
		if u.old != "" && *u.now == redactURL(u.old) {
			*u.now = u.old
			continue
		}
		_, query, _ := cutQuery(*u.now)
		for _, pair := range strings.FieldsFunc(query, isSeparator) {
			if name, value, _ := strings.Cut(pair, "="); value == redacted && isSecret(name) {
				c.fail(u.path, "has a secret that was hidden when the address was shown: enter the value of "+
					shorten(name)+" again")
			}
		}
	}
	return c.result()
}

// redactURL returns an address without its secrets. The rest is kept byte by byte.
func redactURL(s string) string {
	before, query, after := cutQuery(s)
	if scheme, rest, ok := strings.Cut(before, "//"); ok {
		host, path, slash := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			before = scheme + "//" + host[at+1:]
			if slash {
				before += "/" + path
			}
		}
	}
	if query == "" {
		return before + after
	}
	var b strings.Builder
	b.WriteString(before)
	for query != "" {
		end := strings.IndexFunc(query, isSeparator)
		if end < 0 {
			end = len(query)
		}
		pair, rest := query[:end], query[end:]
		if name, value, _ := strings.Cut(pair, "="); value != "" && isSecret(name) {
			pair = name + "=" + redacted
		}
		b.WriteString(pair)
		if rest != "" {
			b.WriteByte(rest[0])
			rest = rest[1:]
		}
		query = rest
	}
	b.WriteString(after)
	return b.String()
}

// cutQuery cuts an address before and after its query. The first part ends with the question mark.
func cutQuery(s string) (before, query, after string) {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s, after = s[:i], s[i:]
	}
	if i := strings.IndexByte(s, '?'); i >= 0 {
		return s[:i+1], s[i+1:], after
	}
	return s, "", after
}

func isSeparator(r rune) bool { return r == '&' || r == ';' }

// isSecret reports whether the name of a query parameter is that of a secret.
func isSecret(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "x-goog-") {
		return true
	}
	name = strings.NewReplacer("-", "", "_", "", ".", "").Replace(name)
	for _, end := range []string{"token", "apikey", "secret", "secretkey", "accesskey", "password", "signature"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return slices.Contains(secretNames, name)
}

// secretNames are further names of secrets, in lower case and without separators.
var secretNames = []string{
	"auth", "authorization", "authkey", "credential", "credentials", "jwt", "key", "keypairid", "pass", "passwd",
	"policy", "pwd", "sig", "subscriptionkey",
}
