package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

// tokenCalls are the calls about tokens.
type tokenCalls struct{ *titleService }

// revokedTokens is the header that says how many tokens have ended with one, because they were made with it.
const revokedTokens = "Revoked-Tokens"

// claim makes the first administrator's token, as Patch Server's clients ask for it.
func (c *tokenCalls) claim(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.anyone(r, c.rate); err != nil {
		return err
	}
	var body wire.Claim
	if err := c.bodies.objectIfAny(w, r, &body); err != nil {
		return err
	}
	token, err := c.tokens.Claim(r.Context(), body.Code)
	if err != nil {
		return err
	}
	c.log.InfoContext(r.Context(), "the server was claimed")
	c.audit.Change(auth.Principal{}, "the server was claimed")
	return replyUncached(w, http.StatusCreated, wire.ClaimedToken{
		Message: "You are this server's administrator. The token is shown this once.",
		Secret:  token,
	})
}

// create makes a token that grants no more than the one that it is made with.
func (c *tokenCalls) create(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionTokens)
	if err != nil {
		return err
	}
	var body wire.TokenRequest
	// A misspelled member must not make a token that reaches further, or lasts longer, than was meant.
	if err := c.bodies.objectIfAny(w, r, &body, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	grant, err := c.grant(r.Context(), principal, body)
	if err != nil {
		return err
	}
	if !c.access.covers(r.Context(), principal, grant) {
		return auth.ErrDenied
	}
	token, id, err := c.tokens.IssueFor(r.Context(), principal, grant, func(uid string) bool {
		return c.access.mayGrant(r.Context(), principal, uid)
	})
	if err != nil {
		return err
	}
	c.logChange(r, "token made", principal, "made", id, "kind", grant.Kind, "name", grant.Name)
	expires := grant.Expires
	if !principal.Expires.IsZero() && (expires.IsZero() || expires.After(principal.Expires)) {
		expires = principal.Expires // it never outlives the one that it is made with
	}
	return replyUncached(w, http.StatusCreated, wire.NewToken{
		Message: "The token is shown this once.",
		ID:      id,
		Secret:  token,
		Name:    grant.Name,
		Kind:    wire.TokenKind(grant.Kind),
		Titles:  c.idsOf(grant.Kind, grant.Titles),
		Expires: wire.Time(expires),
	})
}

// grant returns the grant of the token that a principal asks for. Without titles, a contributor's token makes a
// contributor's, and an administrator's one that changes every title and administers nothing.
func (c *tokenCalls) grant(ctx context.Context, principal auth.Principal, req wire.TokenRequest) (auth.Grant, error) {
	var f form
	administrator := c.access.may(ctx, principal, auth.ActionAdminister, auth.Title{})
	g := auth.Grant{Kind: principal.Kind, Contributor: principal.Contributor, Name: req.Name}
	if req.NeverExpires && req.Days == nil && !administrator {
		return g, fmt.Errorf("%w: only an administrator's token makes tokens that never expire", auth.ErrDenied)
	}
	g.Expires = f.expiry(req, c.now())
	switch {
	case req.Administrator && len(req.Titles) > 0:
		f.fail("/administrator", "excludes titles_in_scope: an administrator's token is not limited to titles")
	case req.Administrator:
		g.Kind, g.Contributor = auth.Administrator, ""
	case len(req.Titles) > 0:
		uids, err := c.scope(ctx, req.Titles, principal)
		if err := f.add(err); err != nil {
			return g, err
		}
		g.Kind, g.Contributor, g.Titles = auth.TitleToken, "", uids
	case administrator:
		g.Kind = auth.Editor
	case principal.Kind == auth.TitleToken:
		return g, fmt.Errorf("%w: a token that is limited to titles makes tokens for some of them: name these in "+
			"titles_in_scope", auth.ErrDenied)
	}
	return g, f.err()
}

// maxTokenDays is the longest lifetime of a token that expires, in days.
const maxTokenDays = int(auth.MaxLifetime / (24 * time.Hour))

// expiry returns when a token that is asked for ends, and the zero time if it never does.
func (f *form) expiry(req wire.TokenRequest, now time.Time) time.Time {
	switch {
	case req.Days == nil && req.NeverExpires:
		return time.Time{}
	case req.Days == nil:
		return now.Add(auth.MaxLifetime)
	case req.NeverExpires:
		f.fail("/never_expires", "excludes expires_in_days: send one of the two")
	case *req.Days < 1 || *req.Days > maxTokenDays:
		f.fail("/expires_in_days", fmt.Sprintf("must be a number from 1 to %d", maxTokenDays))
	}
	return now.Add(time.Duration(*req.Days) * 24 * time.Hour)
}

// maxScope is the largest number of titles that a token is limited to.
const maxScope = 1000

// scope returns the UIDs of the titles that ids mean to a principal.
func (c *tokenCalls) scope(ctx context.Context, ids []string, principal auth.Principal) (uids []string, err error) {
	if len(ids) > maxScope {
		return nil, failure("/titles_in_scope", fmt.Sprintf("has %d titles, and %d are allowed", len(ids), maxScope))
	}
	known := make(map[string]bool, len(ids))
	var f form
	for i, id := range ids {
		title, err := c.resolve(ctx, id, principal, c.catalog.Lookup)
		switch {
		case err != nil:
			f.fail("/titles_in_scope/"+strconv.Itoa(i), fmt.Sprintf("there is no title '%s'", trace.Shorten(id)))
		case !known[title.UID]:
			known[title.UID] = true
			uids = append(uids, title.UID)
		}
	}
	return uids, f.err()
}

// self identifies the client. A page, or a script, asks for it before it offers any action.
func (c *tokenCalls) self(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, wire.Identity{
		ID:          principal.TokenID,
		Kind:        wire.TokenKind(principal.Kind),
		Titles:      c.idsOf(principal.Kind, principal.Titles),
		Contributor: wire.String(principal.Contributor),
		Expires:     wire.Time(principal.Expires),
	})
}

// idsOf returns the ids of the titles that a token is limited to, and nil if it is not limited to titles.
func (c *tokenCalls) idsOf(kind auth.Kind, uids []string) []string {
	if kind != auth.TitleToken {
		return nil
	}
	ids := []string{}
	for _, uid := range uids {
		if title, err := c.catalog.ByUID(uid); err == nil {
			ids = append(ids, title.ID)
		}
	}
	return ids
}

// list lists the tokens that the principal may manage.
func (c *tokenCalls) list(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionTokens)
	if err != nil {
		return err
	}
	body := wire.TokenList{Tokens: []wire.Token{}}
	for _, t := range c.candidates(r.Context(), principal) {
		if c.access.mayManage(r.Context(), principal, t) {
			body.Tokens = append(body.Tokens, c.describe(t))
		}
	}
	return replyUncached(w, http.StatusOK, body)
}

// candidates returns the valid tokens that a principal may manage, and others, the newest first. Under the default
// policy, it does not look at all tokens for the holder of one that is limited.
func (c *tokenCalls) candidates(ctx context.Context, p auth.Principal) []auth.Info {
	switch {
	case !c.access.standard, c.access.may(ctx, p, auth.ActionAdminister, auth.Title{}):
		return c.tokens.List()
	case p.Kind == auth.Contributor:
		var uids []string
		for t := range c.catalog.Find(catalog.Filter{Contributor: p.Contributor}) {
			uids = append(uids, t.UID)
		}
		return c.tokens.ListRelated(p, uids)
	}
	return c.tokens.ListRelated(p, p.Titles)
}

func (c *tokenCalls) describe(t auth.Info) wire.Token {
	out := wire.Token{
		ID:       t.ID,
		Name:     t.Name,
		Kind:     wire.TokenKind(t.Kind),
		Titles:   c.idsOf(t.Kind, t.Titles),
		Created:  t.Created.Truncate(time.Second),
		Expires:  wire.Time(t.Expires),
		LastUsed: wire.Time(t.Used),
	}
	if len(t.Chain) > 0 {
		out.MadeWith = &t.Chain[len(t.Chain)-1]
	}
	return out
}

// invalidate revokes a token. A client learns nothing about tokens that it may not manage.
func (c *tokenCalls) invalidate(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionTokens)
	if err != nil {
		return err
	}
	id, err := variable(r, "id")
	if err != nil {
		return err
	}
	t, err := c.tokens.Find(r.Context(), id)
	if err != nil {
		return err
	}
	if !c.access.mayManage(r.Context(), principal, t) {
		return auth.ErrNotFound
	}
	ended, err := c.tokens.Descendants(r.Context(), id)
	if err != nil {
		return err
	}
	revoke := c.tokens.RevokeUnlessLast
	if r.URL.Query().Get("confirm") == confirmLastAdministrator {
		revoke = c.tokens.Revoke
	}
	if err := revoke(r.Context(), id); err != nil {
		return err
	}
	c.logChange(r, "token revoked", principal, "revoked", id, "ended_with_it", ended)
	w.Header().Set(revokedTokens, strconv.Itoa(ended))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// forTitle makes a new token for a title's author: by mail for a client with the address that the title was published
// with, and at once for one with the title's token.
func (c *tokenCalls) forTitle(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Authorization") != "" {
		return c.exchange(w, r)
	}
	if c.community == nil {
		return fmt.Errorf("%w: mailing new tokens; send the one that you have", errSwitchedOff)
	}
	if _, err := c.access.anyone(r, c.rate); err != nil {
		return err
	}
	id, err := variable(r, "id")
	if err != nil {
		return err
	}
	values, err := c.bodies.texts(w, r, "author_email")
	if err != nil {
		return err
	}
	if err := c.community.Reset(r.Context(), id, values[0]); err != nil {
		return err
	}
	// The answer is the same for every address.
	return c.reply(w, r, http.StatusAccepted, wire.Answer{
		Message: "If the title was published with this address, a new token was mailed to it. " +
			"The old one stays valid until the new one is first used.",
	})
}

// exchange makes a new token for a principal with a title's token, and revokes that one.
func (c *tokenCalls) exchange(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	if err := c.access.authorize(r.Context(), e.principal, auth.ActionTokens, titleOf(e.title)); err != nil {
		return err
	}
	if c.tokens == nil || e.principal.Kind != auth.TitleToken {
		return fmt.Errorf("%w: only a title's own token is exchanged here; make others at /api/v1/tokens",
			auth.ErrDenied)
	}
	ended, err := c.tokens.Descendants(r.Context(), e.principal.TokenID)
	if err != nil {
		return err
	}
	token, id, err := c.tokens.Rotate(r.Context(), e.principal.TokenID)
	if err != nil {
		return err
	}
	c.logChange(r, "token exchanged", e.principal, "title", e.title.ID, "made", id, "ended_with_it", ended)
	w.Header().Set(revokedTokens, strconv.Itoa(ended))
	return replyUncached(w, http.StatusCreated, wire.ExchangedToken{
		Message: "The token is shown this once; the one used was revoked.",
		ID:      id,
		Secret:  token,
	})
}
