package safehttp

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// maxURLLength bounds the length of a URL in bytes.
const maxURLLength = 2000

// Check parses a URL and refuses whatever can be refused without a lookup; the rest is checked when the connection is
// made. The error is [ErrRefused] and says what to do.
func (c *Client) Check(raw string) (*url.URL, error) {
	refuse := func(format string, args ...any) (*url.URL, error) {
		return nil, fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
	}
	if len(raw) > maxURLLength {
		return refuse("the URL is longer than %d characters", maxURLLength)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("it is not a URL, which begins with https:// or http://")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("the URL must begin with https:// or http://")
	case u.Opaque != "" || u.Hostname() == "":
		return refuse("the URL has no host")
	case u.User != nil:
		return refuse("the URL contains a user name or a password, which would be published: remove it")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return refuse("%q is not a valid port", p)
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return refuse("the port after the colon is missing")
	}
	if err := c.checkHost(u.Hostname()); err != nil {
		return nil, err
	}
	return u, nil
}

// checkHost refuses addresses that are not public, in every notation, and names that always refer to this machine or
// to the local network.
func (c *Client) checkHost(host string) error {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Zone() != "" || c.checkAddress(addr.Unmap()) != nil {
			return fmt.Errorf("%w: it is not public; %s", ErrRefused, c.remedy())
		}
		return nil
	}
	labels := strings.Split(name, ".")
	switch {
	case strings.ContainsFunc(name, isDisguised):
		return fmt.Errorf("%w: the host has characters that only look like digits or dots", ErrRefused)
	case name == "":
		return fmt.Errorf("%w: the URL has no host", ErrRefused)
	case isNumber(labels[len(labels)-1]):
		// Some resolvers read 0x7f.1 and 2130706433 as 127.0.0.1. No name on the internet ends in a number, which is a
		// rule of the URL standard.
		return fmt.Errorf("%w: an IPv4 address must be written as four decimal numbers", ErrRefused)
	case !c.private && isLocalName(labels):
		return fmt.Errorf("%w: the name belongs to a private network; %s", ErrRefused, c.remedy())
	}
	return nil
}

// remedy says what to do about an address that is not public. It is the same for every address, so that the error
// does not tell anything about a name.
func (c *Client) remedy() string {
	if c.private {
		return "link-local and reserved addresses are never contacted"
	}
	return "private networks need --allow-private-networks"
}

// isLocalName reports whether a name always refers to this machine or to the local network.
func isLocalName(labels []string) bool {
	n := len(labels)
	switch last := labels[n-1]; last {
	case "localhost", "local", "internal":
		return true
	case "arpa":
		return n == 1 || n > 2 && labels[n-2] == "home"
	}
	return n == 1
}

// isDisguised reports whether r becomes a digit or a dot when a name is normalized for the lookup (RFC 5891, UTS 46).
func isDisguised(r rune) bool {
	return r > unicode.MaxASCII && unicode.IsNumber(r) || strings.ContainsRune("\u3002\uff0e\uff61", r)
}

// isNumber reports whether a label is a number in the notation of C.
func isNumber(label string) bool {
	hex, isHex := strings.CutPrefix(label, "0x")
	if isHex {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}
