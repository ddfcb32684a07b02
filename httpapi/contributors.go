package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// create creates a title for the caller: a contributor's gets the contributor's name.
func (a *api) create(ctx context.Context, who auth.Principal, def *patch.Definition, opts catalog.CreateOptions) (
	catalog.Result, error,
) {
	opts.By = who.TokenID
	if who.Kind != auth.Contributor {
		return a.cat.Create(ctx, def, &opts)
	}
	if a.comm != nil {
		if c, ok := a.comm.Contributor(who.Contributor); ok {
			return a.comm.Create(ctx, c.ID, def, &opts)
		}
	}
	if a.comm != nil && a.toks != nil {
		if _, ours := a.toks.Info(who.TokenID); ours {
			return catalog.Result{}, auth.ErrUnauthorized // a token that was mailed before its owner is a contributor
		}
	}
	opts.Author, opts.Contributor = who.Contributor, who.Contributor // of an embedder's own authentication
	if err := def.NamespaceStored(opts.Author); err != nil {
		return catalog.Result{}, failure("/id", err.Error())
	}
	return a.cat.Create(ctx, def, &opts)
}

// contributorFeeds are the contributors' own feeds.
type contributorFeeds struct{ *api }

// ContributorID implements feed.Contributors.
func (f contributorFeeds) ContributorID(name string) (id string, ok bool) {
	c, ok := f.comm.Contributor(name)
	return c.ID, ok
}

// ExtendedList implements feed.Contributors.
func (f contributorFeeds) ExtendedList(id string) ([]byte, error) { return f.extendedList(id) }

func (a *api) listContributors(w http.ResponseWriter, r *http.Request) error {
	listed := []wire.ContributorListing{}
	for _, c := range a.comm.Contributors() {
		c.URN = "jamf/v1/" + c.ID + "/software" // the second beta's page appends ?extend to it
		c.URL = a.address(r) + "/" + c.URN
		listed = append(listed, c)
	}
	w.Header().Set("Cache-Control", "no-cache")
	answer.WriteJSON(w, http.StatusOK, listed)
	return nil
}

func (a *api) registerContributor(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.access.caller(r, a.rate); err != nil {
		return err
	}
	var body struct {
		Name  jsontext.Value `json:"name"`
		Email jsontext.Value `json:"email"`
	}
	if err := a.readObject(w, r, &body, false); err != nil {
		return err
	}
	all := &patch.ValidationError{}
	name, email := text(body.Name, "/name", &all.Failures), text(body.Email, "/email", &all.Failures)
	if len(all.Failures) > 0 {
		return all
	}
	if err := a.comm.Register(r.Context(), name, email); err != nil {
		return err
	}
	a.reply(
		w,
		r,
		http.StatusCreated,
		wire.Answer{
			Message: "A link was mailed to you. Open it within 24 hours, and your token comes in another mail.",
			Name:    name,
		},
	)
	return nil
}

// verifyContributor is where the link in the mail leads.
func (a *api) verifyContributor(w http.ResponseWriter, r *http.Request) error {
	if err := a.rate.allow(r); err != nil {
		return err
	}
	if r.Method != http.MethodGet {
		return &problem.MethodError{Method: r.Method, Allow: "GET"} // a look at it must not use it up
	}
	q := r.URL.Query()
	c, err := a.comm.Verify(r.Context(), q.Get("id"), q.Get("code"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	a.reply(
		w,
		r,
		http.StatusOK,
		wire.Answer{Message: fmt.Sprintf("Welcome, %s. Your token is on its way to you.", c.Name), ID: c.ID, Name: c.Name},
	)
	return nil
}

// contributorToken mails a contributor who lost their token another one. It answers everyone the same.
func (a *api) contributorToken(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.access.caller(r, a.rate); err != nil {
		return err
	}
	var body struct {
		Email jsontext.Value `json:"email"`
	}
	if err := a.readObject(w, r, &body, false); err != nil {
		return err
	}
	all := &patch.ValidationError{}
	email := text(body.Email, "/email", &all.Failures)
	if len(all.Failures) > 0 {
		return all
	}
	if err := a.comm.ResetContributor(r.Context(), email); err != nil {
		return err
	}
	a.reply(
		w,
		r,
		http.StatusAccepted,
		wire.Answer{Message: "If a contributor is registered with this address, a new token is on its way there. " +
			"The old ones work until the new one is first used."},
	)
	return nil
}

// releaseName lets a name be registered again: one whose registration is pending, or one that an author has
// published under.
func (a *api) releaseName(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	name, err := variable(r, "name")
	if err != nil {
		return err
	}
	if err := a.comm.Release(r.Context(), name); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "contributor name released", "name", trace.Shorten(name), "token", who.TokenID)
	a.reply(
		w,
		r,
		http.StatusOK,
		wire.Answer{Message: fmt.Sprintf("The name '%s' can be registered.", trace.Shorten(name)), Name: name},
	)
	return nil
}
