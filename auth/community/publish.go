package community

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A Publication is a request to publish a title.
type Publication struct {
	// AuthorName becomes part of the title's id and name, see patch.Definition.Namespace.
	AuthorName string
	// AuthorEmail is the address that the token is mailed to.
	AuthorEmail string
	// Definition is the title, under its plain id and name.
	Definition *patch.Definition
	// URL is the address of the definition, in place of Definition. The definition is fetched now, and the title
	// follows it from then on. It requires [Parts].Fetcher.
	URL string
}

// A Fetcher fetches the definition at a URL that an anonymous client has named.
// [github.com/patchsource/patchsource/sync.Fetcher] is one.
type Fetcher interface {
	Definition(ctx context.Context, url string) (*patch.Definition, error)
}

// Publish publishes a title and mails its token to the author. When it returns nil, both are done.
//
// The error is patch.ErrAuthor, also for the name of a contributor, mail.ErrAddress, patch.ErrInvalid,
// patch.ErrTooLarge, catalog.ErrExists, a [LimitedError], [ErrTooMany], [ErrMail], catalog.ErrUnavailable,
// auth.ErrUnavailable, that of the fetcher or that of ctx.
func (s *Service) Publish(ctx context.Context, p Publication) (catalog.Result, error) {
	none := catalog.Result{}
	address, err := mail.CheckAddress(p.AuthorEmail)
	if err != nil {
		return none, err
	}
	def, err := s.definition(ctx, p)
	if err != nil {
		return none, err
	}
	if err := s.authorFree(p.AuthorName); err != nil {
		return none, err
	}
	// This spares the slow hash. Create decides.
	if _, err := s.catalog.Lookup(def.ID); err == nil {
		return none, &catalog.TitleError{ID: def.ID, Err: catalog.ErrExists}
	}
	box, err := s.mailbox(ctx, address)
	if err != nil {
		return none, err
	}
	leave, err := s.enter(box.account())
	if err != nil {
		return none, err
	}
	defer leave()
	var tokenID string
	return s.catalog.Create(ctx, def, &catalog.CreateOptions{
		Author:  strings.TrimSpace(p.AuthorName),
		Mailbox: box.whole,
		Account: box.account().id,
		Follows: p.URL,
		Confirm: func(ctx context.Context, t catalog.Title) (err error) {
			tokenID, err = s.issueByMail(ctx, t, p.AuthorName, address, box)
			return err
		},
		Undo: func(ctx context.Context) error {
			if tokenID == "" {
				return nil
			}
			return s.tokens.Revoke(ctx, tokenID)
		},
	})
}

// definition returns the definition of a publication, valid and under the author's name.
func (s *Service) definition(ctx context.Context, p Publication) (*patch.Definition, error) {
	if err := patch.CheckAuthor(p.AuthorName); err != nil { // before anything is fetched
		return nil, err
	}
	given := p.Definition
	if p.URL != "" {
		if s.fetcher == nil {
			return nil, errors.New("community: cannot publish by URL: Parts.Fetcher is missing")
		}
		var err error
		if given, err = s.fetcher.Definition(ctx, p.URL); err != nil {
			return nil, err
		}
	}
	if given == nil {
		return nil, fmt.Errorf("%w: send a definition or a URL", patch.ErrInvalid)
	}
	if err := given.Validate(); err != nil {
		return nil, err
	}
	def := *given
	return &def, def.Namespace(p.AuthorName)
}

// issueByMail issues the token of a title whose id is reserved, and mails it to the author. It returns the token's ID,
// also if the mail could not be sent.
func (s *Service) issueByMail(ctx context.Context, t catalog.Title, author, address string, box mailbox) (
	tokenID string, err error,
) {
	// A contributor may have registered the name since it was checked, on this server or another one.
	s.lookUpAuthor(ctx, author)
	if err := s.authorFree(author); err != nil {
		return "", err
	}
	if err := s.allow(box.counting); err != nil {
		return "", err
	}
	token, tokenID, err := s.tokens.Issue(ctx, auth.Grant{Kind: auth.TitleToken, Titles: []string{t.UID}})
	if err != nil {
		return "", err
	}
	return tokenID, s.send(ctx, address, s.texts.published, s.facts(t.ID, t.ID, token))
}

// lookUpAuthor reads the contributor with an author's name, if memory has none, because another server may just have
// registered it.
func (s *Service) lookUpAuthor(ctx context.Context, author string) {
	s.confirmed(ctx, strings.ToLower(strings.TrimSpace(author)))
}
