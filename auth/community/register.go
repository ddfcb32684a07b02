package community

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// Register reserves a name and mails a link that confirms the address. It ends the tokens of the name's earlier owners.
// If the link is not used within 24 hours, the name is free again.
//
// The error is [ErrName], [ErrNameTaken], mail.ErrAddress, a [LimitedError], [ErrMail], catalog.ErrUnavailable,
// auth.ErrUnavailable or that of ctx.
func (s *Service) Register(ctx context.Context, name, address string) error {
	address, addressErr := mail.CheckAddress(address)
	if err := errors.Join(checkName(name), addressErr); err != nil {
		return err
	}
	if err := s.nameFree(ctx, name, s.holdsName); err != nil {
		return err
	}
	box, err := s.mailbox(ctx, address)
	if err != nil {
		return err
	}
	if err := s.allow(box.counting); err != nil {
		return err
	}
	id := strings.ToLower(name)
	code := s.seal(id, address)
	r := registration{
		Format:   registrationFormat,
		Name:     name,
		Mailbox:  box.hash,
		Account:  box.account().id,
		Since:    s.options.Now().UTC(),
		Code:     hashOfCode(code),
		skeleton: patch.Skeleton(name),
	}
	if err := s.claimName(ctx, id, &r); err != nil {
		return err
	}
	// The link is not mailed yet, so that this registration is not confirmed and has no token that must stay.
	err = s.tokens.RevokeOwned(ctx, auth.Grant{Kind: auth.Contributor, Contributor: id})
	if err == nil {
		err = s.sendLink(ctx, id, name, code, address)
	}
	if err != nil {
		ctx, cancel := store.WriteContext(ctx)
		defer cancel()
		return errors.Join(err, s.deleteRegistration(ctx, id, r.rev))
	}
	s.options.Logger.Info("a contributor has registered", "contributor", id)
	return nil
}

// claimName writes a pending registration in the place of an expired one or of none. The error is [ErrNameTaken],
// catalog.ErrUnavailable or that of ctx.
func (s *Service) claimName(ctx context.Context, id string, r *registration) error {
	old := s.registered(id)
	cond := store.IfAbsent()
	if old.rev != "" {
		if s.holdsName(old) {
			return ErrNameTaken
		}
		cond = store.IfRevision(old.rev)
	}
	err := s.putRegistration(ctx, id, r, cond)
	if errors.Is(err, store.ErrConflict) {
		return ErrNameTaken
	}
	return err
}

// sendLink mails the link that confirms an address.
func (s *Service) sendLink(ctx context.Context, id, name, code, address string) error {
	f := s.facts(id, name, "")
	// Mail clients turn names with dots into links, so the link's own query has none.
	query := strings.ReplaceAll(url.Values{"id": {id}, "code": {code}}.Encode(), ".", "%2E")
	f.Link = s.options.Site + "/api/v1/contributors/verify?" + query
	return s.send(ctx, address, s.texts.verify, f)
}

// hashOfCode returns the hash of a link's code, in hexadecimal.
func hashOfCode(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

// Verify confirms the address of a contributor with the code of the mailed link, and mails the contributor's token. A
// link works once.
//
// The error is [ErrCode]; [ErrMail], after which the link still works; [ErrNameTaken] if the name was taken after the
// registration, which then ends; catalog.ErrUnavailable, auth.ErrUnavailable or that of ctx.
func (s *Service) Verify(ctx context.Context, id, code string) (Contributor, error) {
	id = strings.ToLower(id)
	r, address, err := s.pendingRegistration(ctx, id, code)
	if err != nil {
		return Contributor{}, err
	}
	// If the link is opened twice at the same time, one token is mailed.
	s.confirming.Lock()
	defer s.confirming.Unlock()
	if err := s.stillPending(ctx, id, r); err != nil {
		return Contributor{}, err
	}
	tokenID, err := s.confirm(ctx, id, r, address)
	if err != nil {
		return Contributor{}, err
	}
	s.options.Logger.Info("a contributor has confirmed their address", "contributor", id, "token", tokenID)
	c, _ := s.Contributor(id)
	return c, nil
}

// pendingRegistration returns the registration that a link's code belongs to, and its address. Another server may have
// mailed the link, so that the store is read if memory does not have its registration. The error is [ErrCode],
// catalog.ErrUnavailable or that of ctx.
func (s *Service) pendingRegistration(ctx context.Context, id, code string) (
	r registration, address string, err error,
) {
	// No client can make a code that opens, so that one that does not open costs no access to the store.
	if address, err = s.unseal(id, code); err != nil {
		return registration{}, "", ErrCode
	}
	r = s.registered(id)
	if !s.opens(r, code) && s.shared {
		if _, err := s.reloadRegistration(ctx, id); err != nil {
			return registration{}, "", err
		}
		r = s.registered(id)
	}
	if !s.opens(r, code) {
		return registration{}, "", ErrCode
	}
	return r, address, nil
}

// opens reports whether a registration is pending and is confirmed by a code.
func (s *Service) opens(r registration, code string) bool {
	same := subtle.ConstantTimeCompare([]byte(hashOfCode(code)), []byte(r.Code)) == 1
	return same && !r.confirmed() && !r.expired(s.options.Now())
}

// stillPending checks a registration against the store: it may have been confirmed, or the name registered again or
// taken by an author, on this server or another one. If an author has taken the name, it deletes the registration.
//
// The error is [ErrCode], [ErrNameTaken], catalog.ErrUnavailable or that of ctx.
func (s *Service) stillPending(ctx context.Context, id string, r registration) error {
	current, err := s.reloadRegistration(ctx, id)
	if err != nil {
		return err
	}
	if current != r.rev {
		return ErrCode
	}
	if s.shared { // another server may just have confirmed a name that looks like it
		if err := s.reloadRegistrations(ctx); err != nil {
			return fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
		}
	}
	err = s.nameFree(ctx, r.Name, registration.confirmed)
	if errors.Is(err, ErrNameTaken) {
		return errors.Join(err, s.deleteRegistration(ctx, id, r.rev))
	}
	return err
}

// confirm makes and mails the token of a contributor, then writes the confirmed registration. It returns the token's
// id. The caller must hold s.confirming.
//
// The token is made first: if the server stops in between, there is one token too many, and the link still works. No
// other token ends here, because another server may have been faster, and its token must stay.
func (s *Service) confirm(ctx context.Context, id string, r registration, address string) (tokenID string, err error) {
	token, tokenID, err := s.tokens.Issue(ctx, auth.Grant{Kind: auth.Contributor, Contributor: id})
	if err != nil {
		return "", err
	}
	err = s.send(ctx, address, s.texts.contributor, s.facts(id, r.Name, token))
	// Once the mail is sent, the registration is confirmed even if the caller has gone away.
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	if err == nil {
		cond := store.IfRevision(r.rev)
		r.Verified, r.Code = s.options.Now().UTC(), ""
		err = s.putRegistration(ctx, id, &r, cond)
	}
	if err == nil {
		return tokenID, nil
	}
	if revokeErr := s.tokens.Revoke(ctx, tokenID); revokeErr != nil {
		s.options.Logger.Error("an unused token could not be revoked", "token", tokenID, "error", revokeErr)
	}
	if errors.Is(err, store.ErrConflict) {
		return "", ErrCode // another server was faster
	}
	return "", err
}
