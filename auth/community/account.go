package community

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// ErrIDTaken is the id of a contributor's new title that a title of another author or contributor has.
var ErrIDTaken = errors.New("another author's title has this id")

// An account is whom titles are counted for: a mailbox or a contributor.
type account struct {
	id string // what the catalog keeps, see catalog.CreateOptions
	// had reports whether a title from before there were accounts belongs to it.
	had func(catalog.Title) bool
}

// accountOf returns the account of a contributor: their mailbox, which may have other names besides; or the contributor,
// if they registered before mailboxes were known.
func accountOf(c ContributorInfo) account {
	return account{
		id:  cmp.Or(c.account, "contributor/"+c.ID),
		had: func(t catalog.Title) bool { return t.Contributor == c.ID },
	}
}

// A mailbox is what is known of an address.
type mailbox struct {
	hash auth.MailboxHash // of the whole address
	// whole is the JSON of hash, by which a token is asked for again.
	whole json.RawMessage
	// counting is the hash of the address without the part that a plus sign begins, by which the mailbox is counted.
	counting string
	// countingJSON is the JSON of that hash: titles from before there were accounts have it, or whole.
	countingJSON string
}

// mailbox hashes an address.
func (s *Service) mailbox(ctx context.Context, address string) (m mailbox, err error) {
	if m.hash, err = s.mailboxes.Hash(ctx, address); err != nil {
		return m, err
	}
	counting := m.hash
	if short := auth.CountingAddress(address); short != address {
		if counting, err = s.mailboxes.Hash(ctx, short); err != nil {
			return m, err
		}
	}
	if m.whole, err = json.Marshal(m.hash); err != nil {
		return m, err
	}
	text, err := json.Marshal(counting)
	m.counting, m.countingJSON = counting.Hash, string(text)
	return m, err
}

// account returns the account of a mailbox.
func (m mailbox) account() account {
	return account{
		id: "mailbox/" + m.counting,
		had: func(t catalog.Title) bool {
			return t.Contributor == "" && (t.Mailbox == string(m.whole) || t.Mailbox == m.countingJSON)
		},
	}
}

// enter counts the titles of an account, and those that are on the way, until
// leave is called. The error is ErrTooMany.
func (s *Service) enter(a account) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.publishing[a.id]
	for t := range s.cat.Find(catalog.Filter{}) {
		if t.Account == a.id || t.Account == "" && a.had(t) {
			n++
		}
	}
	if n >= s.maxTitles {
		return nil, fmt.Errorf("%w: %d: delete one that is no longer needed", ErrTooMany, s.maxTitles)
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

// Create creates a title of a contributor. Their name goes into its id and name, see patch.Definition.Namespace; def is
// not changed. It sets the members of opts that say whose the title is; opts may be nil.
//
// The error is patch.ErrAuthor if the id becomes too long with the name, [ErrTooMany], [ErrIDTaken] if another author's
// title has the id, or one of catalog.Catalog.Create.
func (s *Service) Create(ctx context.Context, c ContributorInfo, def *patch.Definition, opts *catalog.CreateOptions) (
	catalog.Result, error,
) {
	var o catalog.CreateOptions
	if opts != nil {
		o = *opts
	}
	owner := accountOf(c)
	o.Author, o.Contributor, o.Mailbox, o.Account = c.Name, c.ID, c.Mailbox, owner.id
	d := *def
	if err := d.Namespace(c.Name); err != nil {
		return catalog.Result{}, err
	}
	leave, err := s.enter(owner)
	if err != nil {
		return catalog.Result{}, err
	}
	defer leave()
	res, err := s.cat.Create(ctx, &d, &o)
	if errors.Is(err, catalog.ErrExists) {
		if t, titleErr := s.cat.Title(d.ID); titleErr == nil && t.Contributor != c.ID {
			err = fmt.Errorf("%w: publish it under another id, or ask an administrator: %w", ErrIDTaken, err)
		}
	}
	return res, err
}
