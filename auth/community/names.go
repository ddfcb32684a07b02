package community

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// The policy of names: no author has the name of a contributor, and no contributor that of an author or of another
// contributor. Names are compared by their skeletons. A title's author is who it is recorded for, whatever its id looks
// like.

var (
	// ErrName is a name that no contributor can have.
	ErrName = errors.New("unusable contributor name")
	// ErrNameTaken is a contributor's name that is taken, also by one that looks like it.
	ErrNameTaken = errors.New("the name is taken")
)

// maxContributorName is the longest name of a contributor.
const maxContributorName = 64

// contributorAlphabet is what the name of a contributor is made of.
const contributorAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// reservedNames are words that stand where a contributor's id does in the paths of
// feeds, or may one day.
var reservedNames = strings.Fields("software patch jamf api v1 v2 v3 title titles contributor contributors admin " +
	"administrator about docs metrics healthz readyz register verify backup restore")

// alike reports whether two names look alike.
func alike(a, b string) bool {
	s := patch.Skeleton(a)
	return s != "" && s == patch.Skeleton(b)
}

// checkName returns an [ErrName] if no contributor can have a name.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxContributorName || strings.Trim(name, contributorAlphabet) != "" ||
		strings.Trim(name, "._-") != name:
		return fmt.Errorf("%w: it must be 1 to %d of A-Z a-z 0-9 . _ - , and begin and end with a letter or digit",
			ErrName, maxContributorName)
	case slices.ContainsFunc(reservedNames, func(word string) bool { return alike(word, name) }):
		return fmt.Errorf("%w: %s is reserved, or looks like a reserved name", ErrName, name)
	}
	return nil
}

// authorFree returns a patch.ErrAuthor if a contributor has the name of an author, or may still confirm it.
func (s *Service) authorFree(author string) error {
	if c, ok := s.holder(author, s.holds); ok {
		return fmt.Errorf("%w: %s is the name of a contributor here, or looks like it: "+
			"publish with their token, or under another name", patch.ErrAuthor, c.Name)
	}
	return nil
}

// nameFree returns an [ErrNameTaken] if a name cannot become a contributor's: if one of the contributors that count has
// it, or an author under whose name there are titles, unless it was released. Other errors are of the store or ctx.
func (s *Service) nameFree(ctx context.Context, name string, counts func(contributor) bool) error {
	if _, ok := s.holder(name, counts); ok {
		return fmt.Errorf("%w: there is a contributor of this name, or one that looks like it", ErrNameTaken)
	}
	if !s.hasAuthor(name) {
		return nil
	}
	_, err := s.store.Get(ctx, releasedKey(name))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: there are titles by an author of this name, or one that looks like it: "+
			"take another one, or ask an administrator to release it", ErrNameTaken)
	case err != nil:
		return fmt.Errorf("%w: community: %s: %w", catalog.ErrUnavailable, releasedKey(name), err)
	}
	return nil
}

// holder returns the contributor, of those that count, that has a name, or one that looks like it.
func (s *Service) holder(name string, counts func(contributor) bool) (contributor, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := patch.Skeleton(name)
	for _, c := range s.contributors {
		if wanted != "" && c.skeleton == wanted && counts(c) {
			return c, true
		}
	}
	return contributor{}, false
}

// holds reports whether a contributor has their name, or may still confirm it.
func (s *Service) holds(c contributor) bool {
	return c.verified() || s.now().Sub(c.Since) < linkLifetime
}

// hasAuthor reports whether there are titles by an author of this name who is no contributor.
func (s *Service) hasAuthor(name string) bool {
	wanted := patch.Skeleton(name)
	for t := range s.cat.Find(catalog.Filter{}) {
		if t.Contributor == "" && t.Author != "" && wanted != "" && patch.Skeleton(t.Author) == wanted {
			return true
		}
	}
	return false
}

// releasedKind is the kind of a name that was released. Its id is the name's skeleton.
const releasedKind = "releasednames"

// A releasedName is what the store has of one.
type releasedName struct {
	Format int       `json:"format"`
	Name   string    `json:"name"`
	Since  time.Time `json:"since"`
}

const releasedFormat = 1

// maxReleasedName is the longest name that is released.
const maxReleasedName = 255

func releasedKey(name string) store.Key {
	return store.Key{Kind: releasedKind, ID: patch.Skeleton(name)}
}

// Release lets a name be registered: it drops a registration that has not been confirmed, and from then on titles by an
// author of this name do not keep a contributor from it. Only an administrator should be allowed to call it.
//
// The error is [ErrName] if it is no name, [ErrNameTaken] if a contributor has confirmed it, catalog.ErrUnavailable or
// that of ctx.
func (s *Service) Release(ctx context.Context, name string) error {
	if len(name) > maxReleasedName || patch.Skeleton(name) == "" {
		return fmt.Errorf("%w: it must have a letter or digit, and at most %d bytes", ErrName, maxReleasedName)
	}
	s.verifying.Lock() // a registration is either confirmed or released
	defer s.verifying.Unlock()
	for {
		c, ok := s.holder(name, s.holds)
		if !ok {
			break
		}
		if c.verified() {
			return fmt.Errorf("%w: the contributor %s has confirmed it", ErrNameTaken, c.Name)
		}
		if err := s.dropContributor(ctx, strings.ToLower(c.Name), c.rev); err != nil {
			return err
		}
	}
	if !s.hasAuthor(name) {
		return nil
	}
	key := releasedKey(name)
	value, err := json.Marshal(releasedName{Format: releasedFormat, Name: name, Since: s.now().UTC()})
	if err != nil {
		return err
	}
	if _, err := s.store.Put(ctx, key, value, store.IfAbsent()); err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: community: %s: %w", catalog.ErrUnavailable, key, err)
	}
	s.log.Info("a name was released", "name", name)
	return nil
}
