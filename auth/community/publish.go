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

// A Publication is what somebody wants to publish.
type Publication struct {
	// AuthorName goes into the title's id and name, see
	// patch.Definition.Namespace.
	AuthorName string
	// AuthorEmail is where the token is mailed.
	AuthorEmail string
	// Definition is the title, under its plain id and name.
	Definition *patch.Definition
	// URL, in the place of Definition, is where it is: it is fetched now, and the
	// title follows it from then on. Needs [Parts.Fetcher].
	URL string
}

// A Fetcher fetches the definition at a URL that a stranger has named.
// [github.com/patchsource/patchsource/sync.Fetcher] is one.
type Fetcher interface {
	Definition(ctx context.Context, url string) (*patch.Definition, error)
}

// Publish publishes a title and mails its token to its author. When it returns
// nil, both are done.
//
// The error is patch.ErrAuthor, also for the name of a contributor,
// mail.ErrAddress, patch.ErrInvalid, patch.ErrTooLarge, catalog.ErrExists,
// [ErrLimited], [ErrTooMany], [ErrMail], catalog.ErrUnavailable, that of the
// fetcher or that of ctx.
func (s *Service) Publish(ctx context.Context, p Publication) (catalog.Result, error) {
	none := catalog.Result{}
	address, err := mail.CheckAddress(p.AuthorEmail)
	if err != nil {
		return none, err
	}
	if err := patch.CheckAuthor(p.AuthorName); err != nil {
		return none, err // before anybody is asked for a definition
	}
	if p.URL != "" {
		if s.fetcher == nil {
			return none, errors.New("community: a URL was given, and there is no fetcher")
		}
		if p.Definition, err = s.fetcher.Definition(ctx, p.URL); err != nil {
			return none, err
		}
	}
	if p.Definition == nil {
		return none, fmt.Errorf("%w: there is neither a definition nor a URL", patch.ErrInvalid)
	}
	if err := p.Definition.Validate(); err != nil {
		return none, err
	}
	def := *p.Definition
	if err := def.Namespace(p.AuthorName); err != nil {
		return none, err
	}
	if err := s.authorFree(p.AuthorName); err != nil {
		return none, err
	}
	if _, err := s.cat.Title(def.ID); err == nil { // before the slow hash; Reserve decides
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
	reservation, err := s.cat.Reserve(ctx, &def, &catalog.CreateOptions{
		Author:  strings.TrimSpace(p.AuthorName),
		Mailbox: box.whole,
		Account: box.account().id,
		Follows: p.URL,
	})
	if err != nil {
		return none, err
	}
	res, tokenID, err := s.finish(ctx, reservation, p.AuthorName, address, box)
	if err == nil {
		return res, nil
	}
	// Whoever has gone away meanwhile: nothing half-made stays.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
	defer cancel()
	live, undo := reservation.Withdraw(ctx)
	if live {
		// It was published after all, and the store did not say so.
		title, titleErr := s.cat.Title(def.ID)
		return catalog.Result{Title: title, Changed: true}, titleErr
	}
	if undo == nil && tokenID != "" {
		undo = s.tokens.Revoke(ctx, tokenID)
	}
	if undo != nil {
		s.log.Error("a publication that failed could not be undone; it ends by itself", "title", def.ID, "error", undo)
	}
	return none, err
}

// finish does what comes after the reservation.
func (s *Service) finish(ctx context.Context, r *catalog.Reservation, author, address string, box mailbox) (
	res catalog.Result, tokenID string, err error,
) {
	// A contributor may have registered the name since it was looked at.
	if err := s.authorFree(author); err != nil {
		return res, "", err
	}
	if err := s.allow(box.counting); err != nil {
		return res, "", err
	}
	token, tokenID, err := s.tokens.Issue(ctx, auth.Grant{Kind: auth.TitleToken, Titles: []string{r.UID()}})
	if err != nil {
		return res, "", err
	}
	id := r.Definition().ID
	if err := s.send(ctx, address, s.texts.published, s.facts(id, id, token)); err != nil {
		return res, tokenID, err
	}
	// The mail is out: a caller who has gone away meanwhile has a title all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
	defer cancel()
	res, err = r.Publish(ctx)
	return res, tokenID, err
}
