package auth

import (
	"cmp"
	"fmt"
	"maps"
	"time"
)

const (
	// maxMade is the maximum number of valid tokens that were made with one token of a title or contributor, at any
	// depth.
	maxMade = 50
	// maxMadePerHour is the maximum number of tokens that are made or rotated within an hour with the tokens of one
	// owner: each leaves a record, even if it has ended. See limitKey for tokens without an owner.
	maxMadePerHour = 100
)

// checkLimits returns an [ErrTooMany] if too many tokens were made with the token id, which is e, or with one of its
// chain. The caller must hold a.making until the token is made, so that the limits are exact within this process.
func (a *Service) checkLimits(id string, e *entry, st status, chain []string) error {
	if root := a.limitedRoot(chain); root != "" && a.descendants(root) >= maxMade {
		return fmt.Errorf("%w: the limit is %d", ErrTooMany, maxMade)
	}
	return a.checkRate(a.limitKey(id, e, st))
}

// limitedRoot returns the first token of a title or contributor in a chain, or an empty string.
func (a *Service) limitedRoot(chain []string) string {
	for _, id := range chain {
		if e, _ := a.tokens.get(id); e != nil && e.limited() {
			return id
		}
	}
	return ""
}

// A rateError is an [ErrTooMany] that ends by itself after a while. Revoking tokens does not end it.
type rateError struct{ made int }

func (e rateError) Error() string {
	return fmt.Sprintf("too many tokens, %d, were made within an hour: try again later", e.made)
}

// Is reports whether target is [ErrTooMany].
func (e rateError) Is(target error) bool { return target == ErrTooMany }

// checkRate returns an [ErrTooMany] if too many tokens with a key of limitKey were made within an hour. The empty key
// is not limited.
func (a *Service) checkRate(key string) error {
	if key == "" {
		return nil
	}
	v := a.evaluatorOfAll()
	since := v.now.Add(-time.Hour)
	n := 0
	for id, e := range a.countedFor(key) {
		if !e.Created.After(since) {
			continue
		}
		if a.limitKey(id, e, v.status(e, 0)) == key {
			n++
		}
	}
	if n >= maxMadePerHour {
		return rateError{n}
	}
	return nil
}

// countedFor returns the tokens that may have a key of limitKey, by id, valid or not.
func (a *Service) countedFor(key string) map[string]*entry {
	tokens := a.tokens.tagged(tag{ofOwner, key})
	maps.Copy(tokens, a.tokens.tagged(tag{ofFirst, key}))
	if e, _ := a.tokens.get(key); e != nil {
		tokens[key] = e
	}
	maps.Copy(tokens, a.madeWith(key)) // the record of a maker may be gone
	a.addMade(tokens)
	return tokens
}

// limitKey returns the key under which the hourly limit counts a token: its owner; or else the first token of a title
// or contributor in its chain, including itself; or else an empty string, for the tokens of administrators and editors.
// A rotated token keeps the key of the one that it replaced. So what an administrator makes for a title counts only
// against the holder of that token.
func (a *Service) limitKey(id string, e *entry, st status) string {
	if st.owner != "" {
		return st.owner
	}
	for _, maker := range st.chain(e) {
		if m, _ := a.tokens.get(maker); m != nil && m.limited() {
			return cmp.Or(m.First, maker)
		}
	}
	if !e.limited() {
		return ""
	}
	return cmp.Or(e.First, id)
}
