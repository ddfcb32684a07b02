package safehttp

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"code.dny.dev/ssrf"
)

// publicError returns the part of an error that may be shown to everyone who may name a URL.
func (c *Client) publicError(err error) error {
	var dns *net.DNSError
	isDNS := errors.As(err, &dns)
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || isDNS && !c.private {
		// A name that does not exist and a private one have the same error, so that the error does not tell which
		// names exist in the administrator's network.
		if c.private {
			return fmt.Errorf("%w: %s", ErrRefused, c.remedy())
		}
		return refusedError("the host does not exist, or has no public address: check the name; " + c.remedy())
	}
	if isDNS {
		return withoutResolver(dns)
	}
	var network *net.OpError
	if errors.As(err, &network) && network.Op != "dial" {
		return fmt.Errorf("the connection was interrupted: %w", network.Err) // without this server's own address
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err // the caller adds the URL, without its secrets
	}
	return err
}

// A refusedError is an [ErrRefused] whose text does not begin with that of ErrRefused.
type refusedError string

// Error implements error.
func (e refusedError) Error() string { return string(e) }

// Is reports whether target is [ErrRefused].
func (e refusedError) Is(target error) bool { return target == ErrRefused }

// withoutResolver returns a DNS error without the address of the resolver that was asked.
func withoutResolver(e *net.DNSError) error {
	out := &net.DNSError{
		Name:        e.Name,
		Err:         "the lookup failed",
		IsNotFound:  e.IsNotFound,
		IsTimeout:   e.IsTimeout,
		IsTemporary: e.IsTemporary,
	}
	switch {
	case e.IsNotFound:
		out.Err = "no such host"
	case e.IsTimeout:
		out.Err = "the lookup timed out"
	}
	return out
}
