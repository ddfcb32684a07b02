package httpapi

import (
	"fmt"
	"net/http"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// A publisher publishes the titles of authors without an account.
type publisher struct {
	*core
	community Community // if nil, publishing requires an account
	follows   bool      // a title may be published by a URL
}

// title publishes the title in a body.
func (c *publisher) title(w http.ResponseWriter, r *http.Request, body []byte, p *publication) error {
	if c.community == nil {
		return fmt.Errorf("%w: publishing without an account; with a token, send the definition alone", errSwitchedOff)
	}
	if !callOf(r).anonymous() { // anonymous clients were counted before their body was read
		if err := allow(c.rate, r); err != nil {
			return err
		}
	}
	if err := patch.CheckSyntax(body, c.bodies.parseOptions()); err != nil {
		return err
	}
	parsed, err := p.parse(*c.bodies.parseOptions(), c.follows)
	if err != nil {
		return err
	}
	callOf(r).endTurn()
	if parsed.URL != "" {
		leave, err := c.budget.fetch(r)
		if err != nil {
			return err
		}
		defer leave()
	}
	res, err := c.community.Publish(r.Context(), parsed)
	if err != nil {
		return err
	}
	title := res.Title
	c.log.InfoContext(r.Context(), "title published", "title", title.ID, "version", title.CurrentVersion)
	c.audit.Change(auth.Principal{}, "title published", "title", title.ID, "version", title.CurrentVersion)
	return c.reply(w, r, http.StatusCreated, wire.Answer{
		Message:  fmt.Sprintf("Title '%s' published; the token that manages it was mailed to you", title.ID),
		ID:       title.ID,
		Name:     title.Name,
		Warnings: res.Warnings,
	})
}
