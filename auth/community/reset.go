package community

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch/catalog"
)

// Reset mails a new token for a title to its author, if address is theirs. It
// returns before it knows, and the same whatever it finds: nobody learns from it
// whose a title is. The old tokens stay good until the new one is first used.
//
// The error is mail.ErrAddress, catalog.ErrNotFound, or [ErrLimited] when too many
// such requests are under way.
func (s *Service) Reset(ctx context.Context, id, address string) error {
	address, err := mail.CheckAddress(address)
	if err != nil {
		return err
	}
	title, err := s.cat.Title(id)
	if err != nil {
		return err
	}
	return s.later(ctx, func(ctx context.Context) error { return s.resetTitle(ctx, title, address) }, "title", title.ID)
}

// ResetContributor mails a new token to the contributors with an address, if there are any. It returns before it knows,
// and the same whatever it finds. The old tokens of a contributor stay good until the new one is first used.
//
// The error is mail.ErrAddress, or [ErrLimited] when too many such requests are under way.
func (s *Service) ResetContributor(ctx context.Context, address string) error {
	address, err := mail.CheckAddress(address)
	if err != nil {
		return err
	}
	return s.later(ctx, func(ctx context.Context) error { return s.resetContributors(ctx, address) })
}

// later runs f after the caller has gone, and logs its error. Close waits for it. The error is [ErrLimited] when too
// many are under way.
func (s *Service) later(ctx context.Context, f func(context.Context) error, attrs ...any) error {
	select {
	case s.pending <- struct{}{}:
	default:
		return &LimitedError{After: time.Minute}
	}
	s.resets.Go(func() {
		defer func() { <-s.pending }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*mailTimeout)
		defer cancel()
		if err := f(ctx); err != nil {
			s.log.Error("a new token was asked for and not mailed", append(attrs, "error", err)...)
		}
	})
	return nil
}

func (s *Service) resetTitle(ctx context.Context, title catalog.Title, address string) error {
	hash, err := s.mailboxes.Hash(ctx, address)
	if err != nil {
		return err
	}
	var mailbox auth.MailboxHash
	if title.Mailbox == "" || json.Unmarshal([]byte(title.Mailbox), &mailbox) != nil || !mailbox.Equal(hash) {
		s.log.Info("a new token was asked for with another address", "title", title.ID)
		return nil
	}
	// Counted by itself: what strangers have mailed to this mailbox does not keep
	// its owner out.
	if err := s.allow("reset " + hash.Hash); err != nil {
		return err
	}
	if c, ok := s.Contributor(title.Contributor); ok {
		// It is the contributor's tokens that may be in the wrong hands, and a token of the title would end none of them.
		g := auth.Grant{Kind: auth.Contributor, Contributor: c.ID}
		return s.recover(ctx, g, s.facts(c.ID, c.Name, ""), address, s.texts.contributorReset)
	}
	g := auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}}
	return s.recover(ctx, g, s.facts(title.ID, title.ID, ""), address, s.texts.reset)
}

func (s *Service) resetContributors(ctx context.Context, address string) error {
	hash, err := s.mailboxes.Hash(ctx, address)
	if err != nil {
		return err
	}
	theirs := map[string]contributor{}
	s.mu.Lock()
	for id, c := range s.contributors {
		if c.verified() && c.Mailbox.Equal(hash) {
			theirs[id] = c
		}
	}
	s.mu.Unlock()
	if len(theirs) == 0 {
		s.log.Info("a new token was asked for with an address that is no contributor's")
	}
	var errs []error
	for id, c := range theirs {
		err := s.allow("contributor reset " + hash.Hash)
		if err == nil {
			g := auth.Grant{Kind: auth.Contributor, Contributor: id}
			err = s.recover(ctx, g, s.facts(id, c.Name, ""), address, s.texts.contributorReset)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// recover mails a token that takes the place of the owner's others when it is first used.
func (s *Service) recover(ctx context.Context, g auth.Grant, f facts, address string, t *text) error {
	token, tokenID, err := s.tokens.Recover(ctx, g)
	if err != nil {
		return err
	}
	f.Token = token
	// Its case did not count when it was compared: it does not when it is used.
	if err := s.send(ctx, strings.ToLower(address), t, f); err != nil {
		return errors.Join(err, s.tokens.Revoke(context.WithoutCancel(ctx), tokenID))
	}
	s.log.Info("a new token was mailed", "kind", g.Kind, "id", f.ID, "token", tokenID)
	return nil
}

// allow counts a mail to a mailbox, or of a kind to it.
func (s *Service) allow(mailbox string) error {
	if s.perHour < 0 {
		return nil
	}
	s.mu.Lock()
	limiter, ok := s.limiters.Get(mailbox)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(time.Hour/time.Duration(s.perHour)), s.perHour)
		s.limiters.Add(mailbox, limiter)
	}
	s.mu.Unlock()
	r := limiter.Reserve()
	if after := r.Delay(); after > 0 {
		r.Cancel()
		return &LimitedError{After: after}
	}
	return nil
}
