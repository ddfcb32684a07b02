package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// A publication is the body of who publishes without an account, as CommunityPatch
// took it.
type publication struct {
	Name       jsontext.Value `json:"author_name"`
	Email      jsontext.Value `json:"author_email"`
	Definition jsontext.Value `json:"definition"`
	URL        jsontext.Value `json:"definition_url"`
}

// publicationIn returns the publication that a body is, nil if it is none: if it
// is a definition, or no JSON.
func publicationIn(body []byte) *publication {
	var p publication
	if json.Unmarshal(body, &p) != nil || p.Name == nil && p.Email == nil && p.Definition == nil && p.URL == nil {
		return nil
	}
	return &p
}

// text returns a JSON string; the failure is noted at path.
func text(v jsontext.Value, path string, failures *[]patch.Failure) (s string) {
	switch {
	case v == nil:
		*failures = append(*failures, patch.Failure{Path: path, Message: "is missing: add it"})
	case v.Kind() != '"':
		*failures = append(*failures, patch.Failure{Path: path, Message: "must be a string"})
	default:
		_ = json.Unmarshal(v, &s) // it is one
	}
	return s
}

// publish publishes a title for who has no account.
func (a *api) publish(w http.ResponseWriter, r *http.Request, body []byte, p *publication) error {
	if a.comm == nil {
		return fmt.Errorf("%w: publishing without an account; with a token, post the definition alone", errSwitchedOff)
	}
	if !callOf(r).stranger() { // strangers were counted before their body was read
		if err := a.rate.allow(r); err != nil {
			return err
		}
	}
	opts := patch.ParseOptions{MaxBytes: a.max}
	if err := patch.CheckSyntax(body, &opts); err != nil {
		return err
	}
	all := &patch.ValidationError{}
	name, email := text(p.Name, "/author_name", &all.Failures), text(p.Email, "/author_email", &all.Failures)
	var def *patch.Definition
	var url string
	switch {
	case p.URL != nil && p.Definition != nil:
		all.Failures = append(
			all.Failures,
			patch.Failure{Path: "/definition_url", Message: "stands beside a definition: give one of the two"},
		)
	case p.URL != nil && a.sync == nil:
		all.Failures = append(
			all.Failures,
			patch.Failure{Path: "/definition_url", Message: "this server follows no URL: give the definition itself"},
		)
	case p.URL != nil:
		if url = text(p.URL, "/definition_url", &all.Failures); p.URL.Kind() == '"' && url == "" {
			all.Failures = append(
				all.Failures,
				patch.Failure{Path: "/definition_url", Message: "is empty: give the address of a definition"},
			)
		}
	case p.Definition == nil:
		all.Failures = append(
			all.Failures,
			patch.Failure{Path: "/definition", Message: "is missing: add it, or definition_url"},
		)
	default:
		var err error
		var invalid *patch.ValidationError
		opts.At = "/definition"
		if def, err = patch.Parse(p.Definition, &opts); errors.As(err, &invalid) {
			all.Failures = append(all.Failures, invalid.Failures...)
			all.Truncated = invalid.Truncated
		} else if err != nil {
			return err
		}
	}
	if len(all.Failures) > 0 {
		return all
	}
	callOf(r).rest()
	if url != "" {
		leave, err := a.fetch(r)
		if err != nil {
			return err
		}
		defer leave()
	}
	res, err := a.comm.Publish(
		r.Context(),
		wire.Publication{AuthorName: name, AuthorEmail: email, Definition: def, URL: url},
	)
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "title published", "title", res.Title.ID, "version", res.Title.CurrentVersion)
	a.reply(w, r, http.StatusCreated, wire.Answer{
		Message:  fmt.Sprintf("Title '%s' published; the token that manages it was mailed to you", res.Title.ID),
		ID:       res.Title.ID,
		Name:     res.Title.Name,
		Warnings: res.Warnings,
	})
	return nil
}

// titleToken gives a title's author a new token: by mail, to who has the address
// that it was published with; or at once, to who has the token.
func (a *api) titleToken(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Authorization") != "" {
		return a.rotateToken(w, r)
	}
	if a.comm == nil {
		return fmt.Errorf("%w: mailing new tokens; send the one you have", errSwitchedOff)
	}
	if _, err := a.access.caller(r, a.rate); err != nil {
		return err
	}
	id, err := variable(r, "id")
	if err != nil {
		return err
	}
	var body struct {
		Email jsontext.Value `json:"author_email"`
	}
	if err := a.readObject(w, r, &body, false); err != nil {
		return err
	}
	all := &patch.ValidationError{}
	email := text(body.Email, "/author_email", &all.Failures)
	if len(all.Failures) > 0 {
		return all
	}
	if err := a.comm.Reset(r.Context(), id, email); err != nil {
		return err
	}
	// The same words whoever asks.
	a.reply(
		w,
		r,
		http.StatusAccepted,
		wire.Answer{
			Message: "If the title was published with this address, a new token is on its way there. The old one works until the new one is first used.",
		},
	)
	return nil
}

// rotateToken gives the holder of a title's token another, and ends that one.
func (a *api) rotateToken(w http.ResponseWriter, r *http.Request) error {
	who, title, _, err := a.mayChange(r)
	if err != nil {
		return err
	}
	if err := a.access.authorize(r.Context(), who, auth.ActionTokens, titleOf(title)); err != nil {
		return err
	}
	if a.toks == nil || who.Kind != auth.TitleToken {
		return fmt.Errorf("%w: only a title's own token is exchanged here; make others at /api/v1/tokens", auth.ErrDenied)
	}
	ended := a.toks.Descendants(who.TokenID)
	token, id, err := a.toks.Rotate(r.Context(), who.TokenID)
	if err != nil {
		return err
	}
	a.log.InfoContext(
		r.Context(),
		"token exchanged",
		"title",
		title.ID,
		"made",
		id,
		"ended_with_it",
		ended,
		"token",
		who.TokenID,
	)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(revokedTokens, strconv.Itoa(ended))
	answer.WriteJSON(
		w,
		http.StatusCreated,
		map[string]any{
			"message":   "The token is shown this once; the one used has ended.",
			"id":        id,
			"api_token": token,
		},
	)
	return nil
}
