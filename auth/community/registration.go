package community

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// confirmed returns the confirmed registration of a contributor. If memory has none, another server may just have
// confirmed it, and confirmed reads the store.
func (s *Service) confirmed(ctx context.Context, id string) (registration, bool) {
	if r := s.registered(id); r.confirmed() || !s.mayLookUp(id) {
		return r, r.confirmed()
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	if _, err := s.reloadRegistration(ctx, id); err != nil {
		s.options.Logger.WarnContext(ctx, "a contributor could not be looked up", "contributor", id, "error", err)
	}
	r := s.registered(id)
	return r, r.confirmed()
}

// registered returns the registration with an id that memory has. Its revision is empty if there is none.
func (s *Service) registered(id string) registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.registrations[id]
}

const (
	// lookUpsPerSecond is how many contributors that memory does not have are looked up in the store each second.
	// Anyone can ask for the feed of one.
	lookUpsPerSecond = 10
	// lookUpTimeout bounds one of these.
	lookUpTimeout = 3 * time.Second
)

// mayLookUp reports whether a contributor that memory does not have is looked up in the store.
func (s *Service) mayLookUp(id string) bool {
	return s.shared && checkName(id) == nil && s.lookUps.Allow()
}

// errUndecodable says that a record cannot be decoded: it is corrupt, or in the format of a later release.
var errUndecodable = errors.New("the record cannot be read")

// decodeRegistration reads a record. The error is errUndecodable.
func decodeRegistration(rec store.Record) (registration, error) {
	r := registration{rev: rec.Revision}
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return registration{}, fmt.Errorf("%w: %w", errUndecodable, err)
	}
	if r.Format > registrationFormat {
		return registration{}, fmt.Errorf("%w: %w", errUndecodable,
			store.NewerFormat(rec.Key, r.Format, registrationFormat))
	}
	r.skeleton = patch.Skeleton(r.Name)
	return r, nil
}

// openRegistrations reads all registrations and deletes those that have expired.
func (s *Service) openRegistrations(ctx context.Context) error {
	all, undecodable, err := s.listRegistrations(ctx)
	if err := errors.Join(err, undecodable); err != nil {
		return err
	}
	s.registrations = all
	for id, r := range all {
		if !r.expired(s.options.Now()) {
			continue
		}
		if err := s.deleteRegistration(ctx, id, r.rev); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
		delete(s.registrations, id)
	}
	return nil
}

// listRegistrations returns all registrations that can be decoded, and an error about the others. err is that of the
// store or of ctx.
func (s *Service) listRegistrations(ctx context.Context) (all map[string]registration, undecodable, err error) {
	all = map[string]registration{}
	unread := func(key store.Key, err error) {
		undecodable = errors.Join(undecodable, fmt.Errorf("community: read contributor %s: %w", key.ID, err))
	}
	for rec, err := range store.ListReadable(ctx, s.store, registrationKind, unread) {
		if err != nil {
			return nil, nil, fmt.Errorf("community: read the contributors: %w", err)
		}
		r, err := decodeRegistration(rec)
		if err != nil {
			unread(rec.Key, err)
			continue
		}
		all[rec.Key.ID] = r
	}
	return all, undecodable, nil
}

// reloadRegistrations reads all registrations from the store into memory. One that this server writes meanwhile, or
// that cannot be decoded, stays as memory has it. The error is that of the store or of ctx.
func (s *Service) reloadRegistrations(ctx context.Context) error {
	s.mu.Lock()
	before := maps.Clone(s.registrations)
	s.mu.Unlock()
	all, undecodable, err := s.listRegistrations(ctx)
	if err != nil {
		return err
	}
	if undecodable != nil {
		s.options.Logger.ErrorContext(ctx, "contributors of other servers cannot be read", "error", undecodable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range before {
		if _, ok := all[id]; !ok && undecodable == nil && s.registrations[id].rev == before[id].rev {
			delete(s.registrations, id)
		}
	}
	for id, r := range all {
		if s.registrations[id].rev == before[id].rev {
			s.registrations[id] = r
		}
	}
	return nil
}

// Follow keeps the Service up to date with the contributors that other servers over the same store register and
// confirm. It returns when ctx ends, or at once if the store is no store.Watcher. It retries and logs failures of the
// store; it logs and skips a record that it cannot read.
func (s *Service) Follow(ctx context.Context) {
	report := func(err error) {
		s.options.Logger.ErrorContext(ctx, "cannot follow the contributors of other servers", "error", err)
	}
	store.Follow(ctx, s.store, registrationKind, store.Follower{
		Reload: s.reloadRegistrations,
		Apply: func(ctx context.Context, c store.Change) error {
			_, err := s.reloadRegistration(ctx, c.Key.ID)
			if errors.Is(err, errUndecodable) {
				report(err) // it cannot be decoded later either, and must not keep the others waiting
				return nil
			}
			return err
		},
		Report: report,
	})
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
	for {
		before := s.registered(id).rev
		rec, err := s.store.Get(ctx, store.Key{Kind: registrationKind, ID: id})
		gone := errors.Is(err, store.ErrNotFound)
		var r registration
		if err == nil {
			r, err = decodeRegistration(rec)
		}
		if err != nil && !gone {
			return "", fmt.Errorf("%w: community: read contributor %s: %w", catalog.ErrUnavailable, id, err)
		}
		if rev, ok := s.learn(id, before, r, gone); ok {
			return rev, nil
		}
	}
}

// learn puts a registration that was read into memory, or deletes one that is gone, and returns the revision that
// memory then has. It reports false if memory has changed since it had the revision before: what was read may be older.
func (s *Service) learn(id string, before store.Revision, r registration, gone bool) (store.Revision, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.registrations[id].rev != before {
		return "", false
	}
	if gone {
		delete(s.registrations, id)
	} else {
		s.registrations[id] = r
	}
	return s.registrations[id].rev, true
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
