package recipe

import (
	"net/url"
	"strings"
)

// redacted is the value of a secret that is not shown.
const redacted = "REDACTED"

// Redacted returns the feed as it may be shown: its URL and Referer are without user names and passwords, and the
// values of parameters whose names are those of secrets, such as token, api_key or X-Amz-Signature, are REDACTED: in
// the path, the query and the fragment.
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
// [Feed.Redacted] shows it, f takes the URL of old. A user name and password in a URL can therefore only be removed by
// changing the rest of the URL too. The Referer is restored likewise, but only if the URL still has the scheme and the
// host of old: no other server may receive its secrets.
//
// The error is a *[patch.ValidationError] if a secret is missing: it was shown by another feed, the rest of the address
// was changed, or the Referer would be sent to another host. To check a feed without an earlier one, pass the zero
// Feed.
func (f *Feed) KeepSecrets(old Feed) error {
	var c checker
	if old.URL != "" && f.URL == redactURL(old.URL) {
		f.URL = old.URL
	}
	checkHidden(&c, "/feed/url", f.URL, old.URL)
	switch shown := redactURL(old.Referer); {
	case f.Referer != shown || shown == old.Referer: // it was changed, or has no secrets
	case sameServer(f.URL, old.URL):
		f.Referer = old.Referer
	default:
		c.fail("/feed/referer", "has a secret that was hidden when the address was shown, and the feed has another "+
			"host now: enter it again, or remove it")
	}
	checkHidden(&c, "/feed/referer", f.Referer, old.Referer)
	return c.result()
}

// checkHidden checks that no value of an address is REDACTED, unless it is the old address.
func checkHidden(c *checker, path, address, old string) {
	if address == old {
		return
	}
	_ = mapSecrets(address, func(name, value string) string {
		if value == redacted {
			c.fail(path, "has a secret that was hidden when the address was shown: enter the value of "+
				shorten(name)+" again")
		}
		return value
	})
}

// sameServer reports whether two addresses have the same scheme and host, or are both empty.
func sameServer(a, b string) bool {
	if a == b {
		return true
	}
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	return err == nil && x.Scheme == y.Scheme && x.Host != "" && strings.EqualFold(x.Host, y.Host)
}

// redactURL returns an address without its secrets. The rest is kept byte by byte.
func redactURL(s string) string {
	if scheme, rest, ok := strings.Cut(s, "//"); ok {
		host, after := cutAny(rest, "/?#")
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			s = scheme + "//" + host[at+1:] + after
		}
	}
	return mapSecrets(s, func(string, string) string { return redacted })
}

// mapSecrets returns an address with the values of its secrets replaced by what replace returns.
func mapSecrets(s string, replace func(name, value string) string) string {
	var b strings.Builder
	separators := "/;?#" // of parameters in the path
	for s != "" {
		part, rest := cutAny(s, separators)
		name, value, _ := strings.Cut(part, "=")
		if value != "" && isSecret(name) {
			part = name + "=" + replace(name, value)
		}
		b.WriteString(part)
		if rest == "" {
			break
		}
		switch b.WriteByte(rest[0]); {
		case rest[0] == '#':
			separators = "&;"
		case rest[0] == '?':
			separators = "&;#"
		}
		s = rest[1:]
	}
	return b.String()
}

// cutAny cuts s before the first of some characters.
func cutAny(s, chars string) (before, after string) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}
