package httpapi

import (
	"fmt"
	"net/http"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// communityCalls are the calls about contributors.
type communityCalls struct {
	*core
	community Community
}

func (c *communityCalls) list(w http.ResponseWriter, r *http.Request) error {
	listed := []wire.ContributorListing{}
	for _, one := range c.community.Contributors() {
		one.URN = "jamf/v1/" + one.ID + "/software" // the page of beta 2 appends ?extend to it
		one.URL = c.address(r) + "/" + one.URN
		listed = append(listed, one)
	}
	w.Header().Set("Cache-Control", "no-cache")
	answer.WriteJSON(w, http.StatusOK, listed)
	return nil
}

func (c *communityCalls) register(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.anyone(r, c.rate); err != nil {
		return err
	}
	values, err := c.bodies.texts(w, r, "name", "email")
	if err != nil {
		return err
	}
	if err := c.community.Register(r.Context(), values[0], values[1]); err != nil {
		return err
	}
	return c.reply(w, r, http.StatusCreated, wire.Answer{
		Message: "A link was mailed to you. Open it within 24 hours; your token then comes in another mail.",
		Name:    values[0],
	})
}

// verify answers the link in the mail.
func (c *communityCalls) verify(w http.ResponseWriter, r *http.Request) error {
	if err := allow(c.rate, r); err != nil {
		return err
	}
	if r.Method != http.MethodGet { // HEAD must not use up the link
		return &problem.MethodError{Method: r.Method, Allow: http.MethodGet}
	}
	q := r.URL.Query()
	contributor, err := c.community.Verify(r.Context(), q.Get("id"), q.Get("code"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message: fmt.Sprintf("Welcome, %s. Your token was mailed to you.", contributor.Name),
		ID:      contributor.ID,
		Name:    contributor.Name,
	})
}

// resetToken mails a new token to a contributor who lost theirs.
func (c *communityCalls) resetToken(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.anyone(r, c.rate); err != nil {
		return err
	}
	values, err := c.bodies.texts(w, r, "email")
	if err != nil {
		return err
	}
	if err := c.community.ResetContributor(r.Context(), values[0]); err != nil {
		return err
	}
	// The answer is the same for every address.
	return c.reply(w, r, http.StatusAccepted, wire.Answer{
		Message: "If a contributor is registered with this address, a new token was mailed to it. " +
			"The old ones stay valid until the new one is first used.",
	})
}

// release makes a name available again: one whose registration is pending, or one that an author has published under.
func (c *communityCalls) release(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	name, err := variable(r, "name")
	if err != nil {
		return err
	}
	if err := c.community.Release(r.Context(), name); err != nil {
		return err
	}
	c.logChange(r, "contributor name released", principal, "name", trace.Shorten(name))
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message: fmt.Sprintf("The name '%s' can be registered.", trace.Shorten(name)),
		Name:    name,
	})
}
