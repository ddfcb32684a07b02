package community

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// An account is what titles are counted for: a mailbox or a contributor.
type account struct {
	id string // see catalog.CreateOptions
	// owned has filters that select the titles of the account's owner. Those among them that were created before
	// accounts existed have no account.
	owned []catalog.Filter
}

// account returns the account of a contributor: that of their mailbox, which other names may share, or one of their
// own if they registered before mailboxes were counted.
func (r registration) account(id string) account {
	return account{
		id:    cmp.Or(r.Account, "contributor/"+id),
		owned: []catalog.Filter{{Contributor: id}},
	}
}

// enter reserves a place for one more title of an account until leave is called. The error is [ErrTooMany].
func (s *Service) enter(a account) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.publishing[a.id] + s.catalog.Count(catalog.Filter{Account: a.id, Disabled: true})
	for _, f := range a.owned {
		f.Disabled = true
		for t := range s.catalog.Find(f) {
			if t.Account == "" && t.Contributor == f.Contributor {
				n++
			}
		}
	}
	if limit := s.options.MaxTitles; limit >= 0 && n >= limit {
		return nil, fmt.Errorf("%w: the limit is %d: delete a title that is no longer needed", ErrTooMany, limit)
	}
	s.publishing[a.id]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.publishing[a.id]--; s.publishing[a.id] == 0 {
			delete(s.publishing, a.id)
		}
	}, nil
}

// Create creates a title of the contributor with an id. The contributor's name becomes part of the title's id and name,
// see patch.Definition.Namespace; def does not change. Create sets the fields of opts that say who owns the title. opts
// may be nil.
//
// The error is [ErrNoContributor], patch.ErrAuthor if the id becomes too long with the name, [ErrTooMany], [ErrIDTaken]
// if another author's title has the id, or one of catalog.Catalog.Create.
func (s *Service) Create(ctx context.Context, contributor string, def *patch.Definition, opts *catalog.CreateOptions) (
	catalog.Result, error,
) {
	var o catalog.CreateOptions
	if opts != nil {
		o = *opts
	}
	var res catalog.Result
	err := s.Own(ctx, contributor, func(owner catalog.CreateOptions) (id string, err error) {
		o.Author, o.Contributor, o.Mailbox, o.Account = owner.Author, owner.Contributor, owner.Mailbox, owner.Account
		d := *def
		if err := d.Namespace(o.Author); err != nil {
			return d.ID, err
		}
		res, err = s.catalog.Create(ctx, &d, &o)
		return d.ID, err
	})
	return res, err
}

// Own calls create, which makes a title and returns its id, with options that say that the contributor with an id owns
// it, if the contributor may have another title.
//
// The error is [ErrNoContributor], [ErrTooMany], [ErrIDTaken] if another author's title has the id, or that of create.
func (s *Service) Own(
	ctx context.Context, contributor string, create func(owner catalog.CreateOptions) (id string, err error),
) error {
	contributor = strings.ToLower(contributor)
	r, ok := s.confirmed(ctx, contributor)
	if !ok {
		return ErrNoContributor
	}
	hash, err := r.mailboxJSON()
	if err != nil {
		return err
	}
	owner := r.account(contributor)
	leave, err := s.enter(owner)
	if err != nil {
		return err
	}
	defer leave()
	id, err := create(catalog.CreateOptions{
		Author:      r.Name,
		Contributor: contributor,
		Mailbox:     hash,
		Account:     owner.id,
	})
	if errors.Is(err, catalog.ErrExists) {
		if t, titleErr := s.catalog.Lookup(id); titleErr == nil && t.Contributor != contributor {
			err = fmt.Errorf("%w: publish it under another id, or ask an administrator: %w", ErrIDTaken, err)
		}
	}
	return err
}
