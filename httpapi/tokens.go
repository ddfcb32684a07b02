package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// readObject reads a body that is a JSON object into a struct. What has the wrong
// type is a failure with its place. An empty body is an empty object if it may be.
func (a *api) readObject(
	w http.ResponseWriter,
	r *http.Request,
	into any,
	mayBeEmpty bool,
	opts ...json.Options,
) error {
	body, err := a.readJSON(w, r)
	if err != nil {
		return err
	}
	if mayBeEmpty && len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := patch.CheckSyntax(body, &patch.ParseOptions{MaxBytes: a.max}); err != nil {
		return err
	}
	if jsontext.Value(body).Kind() != '{' {
		return failure("", "must be an object")
	}
	var semantic *json.SemanticError
	switch err := json.Unmarshal(body, into, opts...); {
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &semantic):
		return failure(string(semantic.JSONPointer), "is not known here: take it out, or correct its name")
	case errors.As(err, &semantic):
		return failure(string(semantic.JSONPointer), "has the wrong type")
	case err != nil:
		return failure("", "cannot be read")
	}
	return nil
}

// failure is a body of which one thing is wrong.
func failure(path, message string) error {
	return &patch.ValidationError{Failures: []patch.Failure{{Path: path, Message: message}}}
}

// claim makes the first administrator's token, as Patch Server's clients ask for
// it.
func (a *api) claim(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		ClaimCode string `json:"claim_code"`
	}
	if _, err := a.access.caller(r, a.rate); err != nil {
		return err
	}
	if err := a.readObject(w, r, &body, true); err != nil {
		return err
	}
	token, err := a.toks.Claim(r.Context(), body.ClaimCode)
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "the server was claimed")
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(
		w,
		http.StatusCreated,
		map[string]any{"message": "The server is yours. The token is shown this once.", "token_created": token},
	)
	return nil
}

// A tokenRequest is what a token is asked for. What is left out is nil.
type tokenRequest struct {
	Name          string   `json:"name"`
	Days          *int     `json:"expires_in_days"`
	NeverExpires  bool     `json:"never_expires"`
	Titles        []string `json:"titles_in_scope"` // empty: not bound to titles, as the second beta's clients send it
	Administrator bool     `json:"administrator"`
}

// grant returns what the token that a caller asks for is good for. Nothing is granted that was not named: without
// titles, a contributor's token makes a contributor's, and an administrator's one that changes every title and
// administers nothing.
func (a *api) grant(ctx context.Context, who auth.Principal, body tokenRequest) (g auth.Grant, err error) {
	administrator := a.access.may(ctx, who, auth.ActionAdminister, auth.Title{})
	g = auth.Grant{
		Kind:        who.Kind,
		Contributor: who.Contributor,
		Name:        body.Name,
		Expires:     a.now().Add(auth.MaxLifetime),
	}
	all := &patch.ValidationError{}
	wrong := func(path, message string) {
		all.Failures = append(all.Failures, patch.Failure{Path: path, Message: message})
	}
	switch {
	case body.Days != nil && body.NeverExpires:
		wrong("/never_expires", "stands beside expires_in_days: give one of the two")
	case body.Days != nil && (*body.Days < 1 || *body.Days > maxTokenDays):
		wrong("/expires_in_days", fmt.Sprintf("must be a number from 1 to %d", maxTokenDays))
	case body.Days != nil:
		g.Expires = a.now().Add(time.Duration(*body.Days) * 24 * time.Hour)
	case body.NeverExpires && !administrator:
		return g, fmt.Errorf("%w: only an administrator's token makes tokens that never expire", auth.ErrDenied)
	case body.NeverExpires:
		g.Expires = time.Time{}
	}
	switch {
	case body.Administrator && len(body.Titles) > 0:
		wrong("/administrator", "stands beside titles_in_scope: an administrator's token is not bound to titles")
	case body.Administrator:
		g.Kind, g.Contributor = auth.Administrator, ""
	case len(body.Titles) > 0:
		g.Kind, g.Contributor = auth.TitleToken, ""
		g.Titles, err = a.scope(ctx, body.Titles, who)
		var invalid *patch.ValidationError
		if errors.As(err, &invalid) {
			all.Failures = append(all.Failures, invalid.Failures...)
		} else if err != nil {
			return g, err
		}
	case administrator:
		g.Kind = auth.Editor
	case who.Kind == auth.TitleToken:
		return g, fmt.Errorf(
			"%w: a token that is bound to titles makes tokens for some of them: name these in titles_in_scope",
			auth.ErrDenied,
		)
	}
	if len(all.Failures) > 0 {
		return g, all
	}
	return g, nil
}

// maxTokenDays is the longest that a token with an end may live, in days.
const maxTokenDays = int(auth.MaxLifetime / (24 * time.Hour))

// makeToken makes a token that grants no more than the one it is made with.
func (a *api) makeToken(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionTokens)
	if err != nil {
		return err
	}
	var body tokenRequest
	// A slip in a name must not make a token that is for more, or for longer, than was meant.
	if err := a.readObject(w, r, &body, true, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	grant, err := a.grant(r.Context(), who, body)
	if err != nil {
		return err
	}
	token, id, err := a.toks.IssueFor(r.Context(), who, grant, func(uid string) bool {
		return a.access.mayGrant(r.Context(), who, uid)
	})
	if err != nil {
		return err
	}
	a.log.InfoContext(
		r.Context(),
		"token made",
		"made",
		id,
		"kind",
		grant.Kind,
		"name",
		grant.Name,
		"token",
		who.TokenID,
	)
	expires := grant.Expires
	if !who.Expires.IsZero() && (expires.IsZero() || expires.After(who.Expires)) {
		expires = who.Expires // it never outlives its maker
	}
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, http.StatusCreated, struct {
		Message   string     `json:"message"`
		ID        string     `json:"id"`
		Token     string     `json:"api_token"`
		Name      string     `json:"name"`
		Kind      auth.Kind  `json:"kind"`
		Titles    []string   `json:"titles_in_scope"` // null: not bound to titles
		ExpiresAt *time.Time `json:"expires"`         // null: never
	}{"The token is shown this once.", id, token, grant.Name, grant.Kind, a.idsOf(grant.Kind, grant.Titles), wire.Time(expires)})
	return nil
}

// maxScope is the most titles that a token may be bound to.
const maxScope = 1000

// scope returns the UIDs of the titles that ids mean to a caller.
func (a *api) scope(ctx context.Context, ids []string, who auth.Principal) (uids []string, err error) {
	if len(ids) > maxScope {
		return nil, failure("/titles_in_scope", fmt.Sprintf("names %d titles, and %d are allowed", len(ids), maxScope))
	}
	known := make(map[string]bool, len(ids))
	wrong := &patch.ValidationError{}
	for i, id := range ids {
		title, err := a.resolve(ctx, id, who)
		switch {
		case err == nil && !known[title.UID]:
			known[title.UID] = true
			uids = append(uids, title.UID)
		case err != nil && len(wrong.Failures) < patch.MaxFailures:
			wrong.Failures = append(
				wrong.Failures,
				patch.Failure{
					Path:    "/titles_in_scope/" + strconv.Itoa(i),
					Message: fmt.Sprintf("there is no title '%s'", trace.Shorten(id)),
				},
			)
		}
	}
	if len(wrong.Failures) > 0 {
		return nil, wrong
	}
	return uids, nil
}

// self says who the caller is, and what they may do: what a page, or a script, asks
// before it offers anything.
func (a *api) self(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.principal(r)
	if err != nil {
		return err
	}
	body := struct {
		ID          string     `json:"id"`
		Kind        auth.Kind  `json:"kind"`
		Titles      []string   `json:"titles_in_scope"` // null: not bound to titles
		Contributor *string    `json:"contributor"`     // null: none
		Expires     *time.Time `json:"expires"`         // null: never
	}{ID: who.TokenID, Kind: who.Kind, Titles: a.idsOf(who.Kind, who.Titles), Expires: wire.Time(who.Expires)}
	if who.Contributor != "" {
		body.Contributor = &who.Contributor
	}
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, http.StatusOK, body)
	return nil
}

// idsOf returns the ids of the titles that a token is for; nil if it is not bound to
// any.
func (a *api) idsOf(kind auth.Kind, uids []string) []string {
	if kind != auth.TitleToken {
		return nil
	}
	ids := []string{}
	for _, uid := range uids {
		if title, err := a.cat.ByUID(uid); err == nil {
			ids = append(ids, title.ID)
		}
	}
	return ids
}

// A listedToken is a token in the answer to listTokens.
type listedToken struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Kind     auth.Kind  `json:"kind"`
	Titles   []string   `json:"titles_in_scope"` // null: not bound to titles
	MadeWith *string    `json:"made_with"`       // the token that it was made with, and ends with; null: none
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires"`
	LastUsed *time.Time `json:"last_used"`
}

// listTokens lists what the caller may see: an administrator all, others those of
// their own kind and reach.
func (a *api) listTokens(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionTokens)
	if err != nil {
		return err
	}
	listed := []listedToken{}
	for _, t := range a.toks.List() {
		if !a.access.mayManage(r.Context(), who, t) {
			continue
		}
		l := listedToken{
			ID:      t.ID,
			Name:    t.Name,
			Kind:    t.Kind,
			Titles:  a.idsOf(t.Kind, t.Titles),
			Created: t.Created.Truncate(time.Second),
		}
		l.Expires, l.LastUsed = wire.Time(t.Expires), wire.Time(t.Used)
		if len(t.Chain) > 0 {
			l.MadeWith = &t.Chain[len(t.Chain)-1]
		}
		listed = append(listed, l)
	}
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, http.StatusOK, map[string]any{"tokens": listed})
	return nil
}

// invalidateToken ends a token.
func (a *api) invalidateToken(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionTokens)
	if err != nil {
		return err
	}
	id, err := variable(r, "id")
	if err != nil {
		return err
	}
	t, ok := a.toks.Info(id)
	if !ok || !a.access.mayManage(r.Context(), who, t) {
		return auth.ErrNotFound // nor does one learn of others'
	}
	ended, revoke := a.toks.Descendants(id), a.toks.RevokeUnlessLast
	if r.URL.Query().Get("confirm") == confirmLastAdministrator {
		revoke = a.toks.Revoke
	}
	if err := revoke(r.Context(), id); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "token revoked", "revoked", id, "ended_with_it", ended, "token", who.TokenID)
	w.Header().Set(revokedTokens, strconv.Itoa(ended))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revokedTokens is the header that says how many tokens have ended with one, because they were made with it.
const revokedTokens = "Revoked-Tokens"

// confirmLastAdministrator is what a caller has to say to end the last administrator's token.
const confirmLastAdministrator = "last-administrator"
