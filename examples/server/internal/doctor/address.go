package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// feedPath is the path at which most sources serve the feed.
const feedPath = "/jamf/v1"

// An address is the address of a source as an administrator typed it.
type address struct {
	schemes []string // https and http if none was typed
	host    string   // with the port, if there is one
	path    string   // without a slash at its end
	typed   string
	list    bool // the address was that of the list
}

// parseAddress parses HOST, HOST/PATH and URLs.
func parseAddress(typed string) (*address, error) {
	a := &address{typed: strings.TrimSpace(typed)}
	text := a.typed
	switch scheme, _, ok := strings.Cut(text, "://"); {
	case !ok:
		a.schemes = []string{"https", "http"}
		text = "https://" + text
	case strings.EqualFold(scheme, "https"), strings.EqualFold(scheme, "http"):
		a.schemes = []string{strings.ToLower(scheme)}
	default:
		return nil, fmt.Errorf("address %q: it must begin with https:// or http://, or with a host", a.typed)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address %q: it must be a URL such as https://patches.example.com%s", a.typed, feedPath)
	case u.Hostname() == "":
		return nil, errors.New("the address has no host: it must be a URL such as " +
			"https://patches.example.com" + feedPath)
	case u.User != nil:
		return nil, errors.New("the address has a user name: Jamf Pro sends none to a patch source")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("address %q: omit what follows the path", a.typed)
	}
	a.host = u.Host
	a.path = strings.TrimRight(u.EscapedPath(), "/")
	if path, ok := strings.CutSuffix(a.path, "/software"); ok {
		a.path, a.list = strings.TrimRight(path, "/"), true
	}
	return a, nil
}

// paths returns the paths of the feed to try, the likely one first.
func (a *address) paths() []string {
	if a.path == "" {
		return []string{"", feedPath}
	}
	return []string{a.path}
}

// instructions returns what to type into the form of Jamf Pro for the feed at a base address.
func instructions(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	port, ssl := u.Port(), "off"
	if u.Scheme == "https" {
		ssl = "on"
	}
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("in Jamf Pro, Server is %s, Port is %s, Use SSL is %s", host+u.EscapedPath(), port, ssl)
}

// isLoopback reports whether a base address is that of this machine.
func isLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
