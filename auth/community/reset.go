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

// Reset mails a new token for a title to its author if address is the author's. It returns before it knows whether it
// is, so that the answer reveals nothing. The old tokens remain valid until the new one is first used.
//
// The error is mail.ErrAddress, catalog.ErrNotFound, or a [LimitedError] if too many such requests are pending.
func (s *Service) Reset(ctx context.Context, id, address string) error {
	address, err := mail.CheckAddress(address)
	if err != nil {
		return err
	}
	title, err := s.catalog.Lookup(id)
	if err != nil {
		return err
	}
	return s.inBackground(ctx, func(ctx context.Context) error {
		return s.resetTitle(ctx, title, address)
	}, "title", title.ID)
}

// ResetContributor mails a new token to each contributor with an address. It returns before it knows whether there are
// any, so that the answer reveals nothing. The old tokens of a contributor remain valid until the new one is first
// used.
//
// The error is mail.ErrAddress, or a [LimitedError] if too many such requests are pending.
func (s *Service) ResetContributor(ctx context.Context, address string) error {
	address, err := mail.CheckAddress(address)
	if err != nil {
		return err
	}
	return s.inBackground(ctx, func(ctx context.Context) error { return s.resetContributors(ctx, address) })
}

// inBackground runs f without the caller waiting for it, and logs its error with attrs. Close waits for it. The error
// is a [LimitedError] if too many requests are pending.
func (s *Service) inBackground(ctx context.Context, f func(context.Context) error, attrs ...any) error {
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
			s.options.Logger.Error("a requested token was not mailed", append(attrs, "error", err)...)
		}
	})
	return nil
}

// resetTitle mails a new token for a title to an address if it is that of the title's author.
func (s *Service) resetTitle(ctx context.Context, title catalog.Title, address string) error {
	hash, err := s.hasher.hash(ctx, address)
	if err != nil {
		return err
	}
	var author mailboxHash
	if title.Mailbox == "" || json.Unmarshal([]byte(title.Mailbox), &author) != nil || !author.equal(hash) {
		s.options.Logger.Info("a new token was requested with an address that is not the author's", "title", title.ID)
		return nil
	}
	// Resets have a limit of their own: mails that others had sent to this mailbox do not keep its owner out.
	if err := s.allow("reset " + hash.Hash); err != nil {
		return err
	}
	if c, ok := s.Contributor(title.Contributor); ok {
		// The contributor's tokens may be in the wrong hands. A token for the title alone would end none of them.
		g := auth.Grant{Kind: auth.Contributor, Contributor: c.ID}
		return s.recover(ctx, g, s.facts(c.ID, c.Name, ""), address, s.texts.contributorReset)
	}
	g := auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}}
	return s.recover(ctx, g, s.facts(title.ID, title.ID, ""), address, s.texts.reset)
}

// resetContributors mails a new token to each contributor with an address.
func (s *Service) resetContributors(ctx context.Context, address string) error {
	hash, err := s.hasher.hash(ctx, address)
	if err != nil {
		return err
	}
	found := map[string]registration{}
	s.mu.Lock()
	for id, r := range s.registrations {
		if r.confirmed() && r.Mailbox.equal(hash) {
			found[id] = r
		}
	}
	s.mu.Unlock()
	if len(found) == 0 {
		s.options.Logger.Info("a new token was requested with an address that is not a contributor's")
	}
	var errs []error
	for id, r := range found {
		err := s.allow("contributor reset " + hash.Hash)
		if err == nil {
			g := auth.Grant{Kind: auth.Contributor, Contributor: id}
			err = s.recover(ctx, g, s.facts(id, r.Name, ""), address, s.texts.contributorReset)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// recover makes a token that replaces the owner's others when it is first used, and mails it.
func (s *Service) recover(ctx context.Context, g auth.Grant, f facts, address string, t *text) error {
	token, tokenID, err := s.tokens.Recover(ctx, g)
	if err != nil {
		return err
	}
	f.Token = token
	// The address was compared without regard to case, so it is used without regard to case.
	if err := s.send(ctx, strings.ToLower(address), t, f); err != nil {
		return errors.Join(err, s.tokens.Revoke(context.WithoutCancel(ctx), tokenID))
	}
	s.options.Logger.Info("a new token was mailed", "kind", g.Kind, "id", f.ID, "token", tokenID)
	return nil
}

// allow counts a mail against the hourly limit of a key, which is the hash of a mailbox, alone or with the kind of
// mail. The error is a [LimitedError].
func (s *Service) allow(key string) error {
	perHour := s.options.MailsPerHour
	if perHour < 0 {
		return nil
	}
	s.mu.Lock()
	limiter, ok := s.limiters.Get(key)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(time.Hour/time.Duration(perHour)), perHour)
		s.limiters.Add(key, limiter)
	}
	s.mu.Unlock()
	r := limiter.Reserve()
	if after := r.Delay(); after > 0 {
		r.Cancel()
		return &LimitedError{After: after}
	}
	return nil
}
