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

// The policy of names: no author has the name of a contributor, and no contributor has that of an author or of another
// contributor. Names are compared by their skeletons. The author of a title is the one that its record names, not
// the one that its id seems to name.

// maxContributorName is the maximum length of a contributor's name in bytes.
const maxContributorName = 64

// contributorAlphabet is the set of characters in contributors' names.
const contributorAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// reservedNames are words that the paths of feeds have, or may have one day, where a contributor's id would be.
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
		return fmt.Errorf("%w: it must have 1 to %d of the characters A-Z a-z 0-9 . _ - , "+
			"and begin and end with a letter or digit", ErrName, maxContributorName)
	case slices.ContainsFunc(reservedNames, func(word string) bool { return alike(word, name) }):
		return fmt.Errorf("%w: %s is reserved, or looks like a reserved name", ErrName, name)
	}
	return nil
}

// authorFree returns a patch.ErrAuthor if an author's name is that of a contributor, pending or confirmed.
func (s *Service) authorFree(author string) error {
	if r, ok := s.holder(author, s.holdsName); ok {
		return fmt.Errorf("%w: it is, or looks like, the name of the contributor %s: "+
			"publish with the contributor's token, or under another name", patch.ErrAuthor, r.Name)
	}
	return nil
}

// nameFree returns an [ErrNameTaken] if a contributor cannot have a name: one of the registrations that count has it,
// or an author has titles under it and it was not released. Other errors are catalog.ErrUnavailable or that of ctx.
func (s *Service) nameFree(ctx context.Context, name string, counts func(registration) bool) error {
	if _, ok := s.holder(name, counts); ok {
		return fmt.Errorf("%w: a contributor has this name, or one that looks like it", ErrNameTaken)
	}
	if !s.hasAuthor(name) {
		return nil
	}
	_, err := s.store.Get(ctx, releasedKey(name))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: an author has titles under this name, or one that looks like it: "+
			"choose another one, or ask an administrator to release it", ErrNameTaken)
	case err != nil:
		return fmt.Errorf("%w: community: %s: %w", catalog.ErrUnavailable, releasedKey(name), err)
	}
	return nil
}

// holder returns the registration that has a name, or one that looks like it. It ignores registrations for which counts
// is false.
func (s *Service) holder(name string, counts func(registration) bool) (registration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := patch.Skeleton(name)
	for _, r := range s.registrations {
		if wanted != "" && r.skeleton == wanted && counts(r) {
			return r, true
		}
	}
	return registration{}, false
}

// hasAuthor reports whether there are titles by an author with a name who is not a contributor.
func (s *Service) hasAuthor(name string) bool {
	if patch.Skeleton(name) == "" {
		return false
	}
	for t := range s.catalog.Find(catalog.Filter{AuthorLike: name, Disabled: true}) {
		if t.Contributor == "" {
			return true
		}
	}
	return false
}

// releasedKind is the kind of a released name. Its id is the name's skeleton.
const releasedKind = "releasednames"

const releasedFormat = 1

// A releasedName is the record of a name that a contributor may have although an author has titles under it.
type releasedName struct {
	Format int       `json:"format"`
	Name   string    `json:"name"`
	Since  time.Time `json:"since"`
}

// maxReleasedName is the maximum length of a released name in bytes.
const maxReleasedName = 255

func releasedKey(name string) store.Key {
	return store.Key{Kind: releasedKind, ID: patch.Skeleton(name)}
}

// Release makes a name available for registration: it deletes a pending registration of the name, and from then on
// titles by an author of this name do not keep a contributor from it. Only administrators may do this; the caller
// checks that.
//
// The error is [ErrName] if name is not a name, [ErrNameTaken] if a contributor has confirmed it,
// catalog.ErrUnavailable or that of ctx.
func (s *Service) Release(ctx context.Context, name string) error {
	if len(name) > maxReleasedName || patch.Skeleton(name) == "" {
		return fmt.Errorf("%w: it must have a letter or digit, and at most %d bytes", ErrName, maxReleasedName)
	}
	s.confirming.Lock()
	defer s.confirming.Unlock()
	if s.shared {
		if err := s.reloadRegistrations(ctx); err != nil {
			return fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
		}
	}
	for {
		r, ok := s.holder(name, s.holdsName)
		if !ok {
			break
		}
		if r.confirmed() {
			return fmt.Errorf("%w: the contributor %s has confirmed it", ErrNameTaken, r.Name)
		}
		if err := s.deleteRegistration(ctx, strings.ToLower(r.Name), r.rev); err != nil {
			return err
		}
	}
	if !s.hasAuthor(name) {
		return nil
	}
	key := releasedKey(name)
	value, err := json.Marshal(releasedName{Format: releasedFormat, Name: name, Since: s.options.Now().UTC()})
	if err != nil {
		return err
	}
	if _, err := s.store.Put(ctx, key, value, store.IfAbsent()); err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: community: %s: %w", catalog.ErrUnavailable, key, err)
	}
	s.options.Logger.Info("a name was released", "name", name)
	return nil
}
