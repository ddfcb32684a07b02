package app

import (
	"net/url"
	"strings"
)

// redacted takes the place of a secret.
const redacted = "xxxxx"

// redactStore returns a value of --store as it may be shown and logged: without the password in a URL such as
// postgres://user:password@host/db, and without the values of parameters that may be secret, such as password=… and
// secret_key=…. What cannot be parsed is not shown, because it may contain a secret anywhere.
func redactStore(name string) string {
	scheme, rest, ok := strings.Cut(name, ":")
	isURL := strings.HasPrefix(rest, "//")
	switch {
	case scheme == "file" && ok, !isURL && !strings.ContainsAny(name, "@="):
		return name
	case !ok || strings.ContainsAny(scheme, "@= "): // such as host=h password=…
		return redacted
	}
	u, err := url.Parse(name)
	if err != nil || !isURL || strings.Contains(u.Path, "@") || splitsUser(u) {
		return scheme + ":" + redacted
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), redacted)
	}
	u.RawQuery = redactQuery(u.RawQuery)
	if u.Fragment != "" { // a password with # that was not escaped ends up here
		u.Fragment, u.RawFragment = redacted, ""
	}
	return u.String()
}

// splitsUser reports whether a URL without a user may have one whose password has a ? or # that was not escaped: what
// comes before it then looks like a port.
func splitsUser(u *url.URL) bool {
	if u.User != nil || u.Port() == "" {
		return false
	}
	for param := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(param, "=")
		if strings.Contains(name, "@") || strings.Contains(value, "@") && !strings.Contains(value, "://") {
			return true
		}
	}
	return strings.Contains(u.Fragment, "@")
}

// redactQuery returns a query without the values of parameters that may be secret. The others stay as they are written.
func redactQuery(query string) string {
	params := strings.Split(query, "&")
	for i, param := range params {
		name, value, has := strings.Cut(param, "=")
		plain, err := url.QueryUnescape(name)
		switch {
		case !has:
		case err != nil || isSecretName(plain):
			params[i] = name + "=" + redacted
		case strings.Contains(value, "@") || strings.Contains(strings.ToLower(value), "%40"):
			params[i] = name + "=" + redactAddress(value) // an endpoint with a user
		}
	}
	return strings.Join(params, "&")
}

// isSecretName reports whether a parameter of this name may have a secret as its value.
func isSecretName(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "file") {
		return false // the name of a file
	}
	for _, word := range []string{"pass", "secret", "token", "key", "credential", "pwd"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// redactAddress returns the value of a parameter that is the URL of a server, without its password.
func redactAddress(value string) string {
	plain, err := url.QueryUnescape(value)
	if err != nil {
		return redacted
	}
	u, err := url.Parse(plain)
	if err != nil || u.User == nil {
		return redacted
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), redacted)
	}
	return u.String()
}
