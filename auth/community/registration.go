package community

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// linkLifetime is how long an address can be confirmed. A pending registration then expires, and its name is free.
const linkLifetime = 24 * time.Hour

// registrationKind is the kind of a registration's record. Its id is the contributor's.
const registrationKind = "contributors"

const registrationFormat = 1

// A registration is the record of a contributor, pending or confirmed.
type registration struct {
	Format  int         `json:"format"`
	Name    string      `json:"name"`
	Mailbox mailboxHash `json:"mailbox"`
	// Account is the id of the account that the contributor's titles are counted for. Older records have none.
	Account string    `json:"account,omitempty"`
	Since   time.Time `json:"since"`
	// Verified is when the address was confirmed. It is zero for a pending registration.
	Verified time.Time `json:"verified,omitzero"`
	// Code is the SHA-256 of the code in the mailed link. A confirmed registration has none.
	Code string `json:"code,omitempty"`

	rev      store.Revision
	skeleton string // of Name
}

// confirmed reports whether the contributor has confirmed their address.
func (r registration) confirmed() bool { return !r.Verified.IsZero() }

// mailboxJSON returns the hash of the contributor's address as a title keeps it.
func (r registration) mailboxJSON() (json.RawMessage, error) { return json.Marshal(r.Mailbox) }

// expired reports whether a pending registration can no longer be confirmed.
func (r registration) expired(now time.Time) bool {
	return !r.confirmed() && now.Sub(r.Since) >= linkLifetime
}

// holdsName reports whether the registration keeps its name from others: it is confirmed, or can still be.
func (s *Service) holdsName(r registration) bool { return !r.expired(s.options.Now()) }

// confirmed returns the confirmed registration of a contributor.
func (s *Service) confirmed(id string) (registration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.registrations[id]
	return r, ok && r.confirmed()
}

// decodeRegistration reads a record.
func decodeRegistration(rec store.Record) (registration, error) {
	r := registration{rev: rec.Revision}
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return registration{}, fmt.Errorf("corrupt record: %w", err)
	}
	if r.Format > registrationFormat {
		return registration{}, store.NewerFormat(rec.Key, r.Format, registrationFormat)
	}
	r.skeleton = patch.Skeleton(r.Name)
	return r, nil
}

// loadRegistrations reads all registrations and deletes those that have expired.
func (s *Service) loadRegistrations(ctx context.Context) error {
	s.registrations = map[string]registration{}
	expired := map[string]store.Revision{}
	for rec, err := range s.store.List(ctx, registrationKind) {
		if err != nil {
			return fmt.Errorf("community: read the contributors: %w", err)
		}
		r, err := decodeRegistration(rec)
		switch {
		case err != nil:
			return fmt.Errorf("community: read contributor %s: %w", rec.Key.ID, err)
		case r.expired(s.options.Now()):
			expired[rec.Key.ID] = r.rev
		default:
			s.registrations[rec.Key.ID] = r
		}
	}
	for id, rev := range expired {
		if err := s.deleteRegistration(ctx, id, rev); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

// putRegistration writes a registration and sets its revision. The error is store.ErrConflict, catalog.ErrUnavailable
// or that of ctx.
func (s *Service) putRegistration(ctx context.Context, id string, r *registration, cond store.Condition) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	key := store.Key{Kind: registrationKind, ID: id}
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	if r.rev, err = s.store.Put(ctx, key, value, cond); err != nil {
		if !errors.Is(err, store.ErrConflict) {
			err = fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
		}
		err = fmt.Errorf("community: write contributor %s: %w", id, err)
		_, reloadErr := s.reloadRegistration(ctx, id)
		return errors.Join(err, reloadErr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registrations[id] = *r
	return nil
}

// reloadRegistration reads a registration from the store into memory. It returns the revision that memory then has,
// which is empty if there is no registration. The error is catalog.ErrUnavailable or that of ctx.
func (s *Service) reloadRegistration(ctx context.Context, id string) (store.Revision, error) {
	s.mu.Lock()
	before := s.registrations[id].rev
	s.mu.Unlock()
	rec, err := s.store.Get(ctx, store.Key{Kind: registrationKind, ID: id})
	gone := errors.Is(err, store.ErrNotFound)
	var r registration
	if err == nil {
		r, err = decodeRegistration(rec)
	}
	if err != nil && !gone {
		return "", fmt.Errorf("%w: community: read contributor %s: %w", catalog.ErrUnavailable, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.registrations[id].rev != before: // a write of this server was faster, and is newer
	case gone:
		delete(s.registrations, id)
	default:
		s.registrations[id] = r
	}
	return s.registrations[id].rev, nil
}

// deleteRegistration deletes a registration that is still at a revision. The error is store.ErrConflict,
// catalog.ErrUnavailable or that of ctx.
func (s *Service) deleteRegistration(ctx context.Context, id string, rev store.Revision) error {
	err := s.store.Delete(ctx, store.Key{Kind: registrationKind, ID: id}, store.IfRevision(rev))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: community: delete contributor %s: %w", catalog.ErrUnavailable, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.registrations, id)
	return nil
}
