package patchsync

import (
	"errors"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// A FeedToken is a token for the release feeds of a host. It is sent for watches that an administrator made, over https
// only unless private networks are permitted, and never to another host, such as one that the feed redirects to.
type FeedToken struct {
	// Host is the host, such as "github.com", with its port if that is not the default. A token for github.com is also
	// one for api.github.com. Owner is the owner of the repositories that the token is for, such as "octocat", and may
	// be a group with its subgroups. If empty, it is for all feeds of the host. A token for an owner comes before one
	// for the host.
	Host, Owner string
	// Token returns the token, or the value of the Authorization header, such as "Basic …". It is called for each
	// request, so that a token can change. An error must not contain it.
	Token func() (string, error)
}

// minSecret is the minimum length of a token that is looked for in texts.
const minSecret = 6

// complete checks a token and normalizes it.
func (t *FeedToken) complete() error {
	t.Host, t.Owner = strings.ToLower(t.Host), strings.ToLower(strings.Trim(t.Owner, "/"))
	switch {
	case t.Host == "" || strings.ContainsAny(t.Host, "/@ "):
		return fmt.Errorf("a token for release feeds needs a host such as github.com, and has %q", t.Host)
	case t.Token == nil:
		return fmt.Errorf("the token for release feeds of %s is nil", t.name())
	}
	t.Host = strings.TrimSuffix(t.Host, ":443")
	return nil
}

// name returns the host and the owner, or nothing if t is nil.
func (t *FeedToken) name() string {
	switch {
	case t == nil:
		return ""
	case t.Owner == "":
		return t.Host
	}
	return t.Host + "/" + t.Owner
}

// isFor reports whether the token is for a host, which hostOf returned.
func (t *FeedToken) isFor(host string) bool {
	return t.Host == host || t.Host == "github.com" && host == "api.github.com"
}

// tokenFor returns the token for a feed, nil if there is none.
func (c *feedClient) tokenFor(f recipe.Feed, trusted bool) *FeedToken {
	if !trusted || len(c.tokens) == 0 {
		return nil
	}
	q, err := c.kinds.Request(f, true)
	if err != nil {
		return nil
	}
	host, repo := hostOf(q.URL), strings.ToLower(f.Repo)+"/"
	var best *FeedToken
	for i := range c.tokens {
		t := &c.tokens[i]
		if t.isFor(host) && (t.Owner == "" || strings.HasPrefix(repo, t.Owner+"/")) &&
			(best == nil || len(t.Owner) > len(best.Owner)) {
			best = t
		}
	}
	return best
}

// authorize returns the value of the Authorization header for an address, empty if there is no token for it. After a
// request to another host, no further one carries a token.
func (s *feedSession) authorize(address string) (string, error) {
	if s.token == nil {
		return "", nil
	}
	if !s.token.isFor(hostOf(address)) {
		s.token = nil
		return "", nil
	}
	value, err := s.token.Token()
	if err != nil {
		return "", fmt.Errorf("the token for %s cannot be read: %w", s.token.name(), withoutPath(err))
	}
	if value = strings.TrimSpace(value); value == "" {
		return "", fmt.Errorf("the token for %s is empty", s.token.name())
	}
	if !strings.Contains(value, " ") {
		value = "Bearer " + value
	}
	return value, nil
}

// scrub returns an error whose text does not contain the token, which a server may have echoed.
func (s *feedSession) scrub(err error) error {
	if s.secret == nil {
		return err
	}
	value, tokenErr := s.secret.Token()
	fields := strings.Fields(value)
	if tokenErr != nil || len(fields) == 0 {
		return err
	}
	secret := fields[len(fields)-1]
	if text := err.Error(); len(secret) >= minSecret && strings.Contains(text, secret) {
		return errors.New(strings.ReplaceAll(text, secret, "REDACTED"))
	}
	return err
}
