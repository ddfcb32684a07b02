package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/listing"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// titleCalls are the calls about titles.
type titleCalls struct {
	*titleService
	publish  publisher
	selector *listing.Selector
}

// create creates a title for a principal, or publishes one of an anonymous client. The body decides which.
func (c *titleCalls) create(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.anyone(r, c.rate)
	if err != nil {
		return err
	}
	body, err := c.bodies.read(w, r)
	if err != nil {
		return err
	}
	if p := publicationIn(body); p != nil {
		return c.publish.title(w, r, body, p)
	}
	if principal.Anonymous() {
		// The body may be meant as a publication, and then its syntax error says more than the missing token.
		if err := patch.CheckSyntax(body, c.bodies.parseOptions()); err != nil {
			return err
		}
		return callOf(r).unknown
	}
	def, err := c.parseNew(r, principal, body)
	if err != nil {
		return err
	}
	res, err := c.titleService.create(r.Context(), principal, def, catalog.CreateOptions{})
	if err != nil {
		return err
	}
	title := res.Title
	c.logChange(r, "title created", principal, "title", title.ID, "version", title.CurrentVersion)
	return c.reply(w, r, http.StatusCreated, wire.Answer{
		Message:  fmt.Sprintf("Title '%s' created", title.ID),
		ID:       title.ID,
		Name:     title.Name,
		Warnings: res.Warnings,
	})
}

// parseNew returns the definition of a title that a principal may create. A principal that may not create it learns no
// more about the body.
func (c *titleCalls) parseNew(r *http.Request, principal auth.Principal, body []byte) (*patch.Definition, error) {
	id := idIn(body)
	if err := c.mayCreate(r, principal, id); err != nil {
		return nil, err
	}
	def, err := patch.Parse(body, c.bodies.parseOptions())
	switch {
	case err != nil && isVersion(body):
		return nil, failure("", "is a version, and not a title: send it to /api/v1/title/{id}/version, "+
			"or add it to the patches of a title")
	case err != nil:
		return nil, err
	case def.ID != id:
		err = c.mayCreate(r, principal, def.ID)
	}
	return def, err
}

func (c *titleCalls) replace(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	body, err := c.bodies.read(w, r)
	if err != nil {
		return err
	}
	def, err := c.parseOver(r, e.title.ID, body)
	if err != nil {
		return err
	}
	if plain, _ := e.title.Plain(); plain != e.title.ID && strings.EqualFold(def.ID, plain) {
		// It is the file that its author has published: the name goes into it as it did then.
		if err := def.NamespaceStored(e.title.Author); err != nil {
			return failure("/id", err.Error())
		}
	}
	res, err := c.catalog.Replace(r.Context(), e.title.ID, def, e.opts)
	if err != nil {
		return err
	}
	title := res.Title
	reply := wire.Answer{
		Message:  fmt.Sprintf("Title '%s' is the same already: nothing was changed", title.ID),
		ID:       title.ID,
		Name:     title.Name,
		Warnings: res.Warnings,
	}
	if res.Changed {
		difference := res.Difference()
		reply.Message = fmt.Sprintf("Title '%s' updated", title.ID)
		for _, change := range difference[:min(len(difference), maxNamed)] {
			reply.Changes = append(reply.Changes, change.Text)
		}
		c.logChange(r, "title replaced", e.principal,
			"title", title.ID, "version", title.CurrentVersion, "changes", difference.String())
	}
	return c.reply(w, r, http.StatusOK, reply)
}

// parseOver parses the definition that replaces a title's. A value that a newer rule refuses is no failure if the title
// has it already.
func (c *titleCalls) parseOver(r *http.Request, id string, body []byte) (*patch.Definition, error) {
	def, err := patch.Parse(body, c.bodies.parseOptions())
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return def, err
	}
	// With both definitions in memory, it is more work than a valid body.
	state := callOf(r)
	state.endTurn()
	if err := c.budget.turn(r, 2*len(body)+int(state.titleBytes)); err != nil {
		return nil, err
	}
	old, _, loadErr := c.catalog.Load(r.Context(), id)
	if loadErr != nil {
		return nil, err
	}
	opts := c.bodies.parseOptions()
	opts.Over = old
	return patch.Parse(body, opts)
}

// delete returns a handler that answers with status 204 as Patch Server did, or with 200 and a message as
// CommunityPatch's beta 2 did.
func (c *titleCalls) delete(status int) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		e, err := c.editAny(r)
		if err != nil {
			return err
		}
		if err := c.remove(r, e); err != nil {
			return err
		}
		if status == http.StatusNoContent {
			w.WriteHeader(status)
			return nil
		}
		return c.reply(w, r, status, wire.Answer{Message: fmt.Sprintf("Title '%s' deleted", e.title.ID)})
	}
}

func (c *titleCalls) get(w http.ResponseWriter, r *http.Request) error {
	if whole, err := boolParam(r, "disabled"); whole || err != nil {
		return cmp.Or(err, c.getWhole(w, r))
	}
	id, err := c.readable(w, r)
	if err != nil {
		return err
	}
	doc, err := c.catalog.Definition(r.Context(), id)
	if err != nil {
		return err
	}
	return c.serve(w, r, answer.Of(doc))
}

// list lists titles with their authors and sync states, page by page.
func (c *titleCalls) list(w http.ResponseWriter, r *http.Request) error {
	filter, limit, err := listingOf(r.URL.Query())
	if err != nil {
		return err
	}
	principal := c.access.reader(w, r)
	// These states are told to clients that may change the title: of other titles they select none.
	private := filter.State == listing.Failing || filter.State == listing.Draft
	if private {
		if principal, err = c.access.principal(r); err != nil {
			return err
		}
	}
	changed := c.catalog.Changed() // before the titles are read: they are no older
	if known := c.selector.Changed(); known.After(changed) {
		changed = known
	}
	if filter.Source != "" || filter.State != "" {
		changed = c.now() // it changes without the titles
	}
	page := wire.TitlePage{Titles: []wire.Title{}}
	selected, only := c.selector.Select(filter)
	for title := range c.catalog.Find(selected) {
		if only != nil && !only(title) {
			continue
		}
		mine := c.access.mayChange(r.Context(), principal, title)
		if private && !mine {
			continue
		}
		if len(page.Titles) == limit {
			page.Next = cursorAfter(page.Titles[limit-1].ID)
			break
		}
		state := c.syncState(title, mine)
		if state != nil {
			changed = c.now() // the state changes without the title
		}
		page.Titles = append(page.Titles, c.describe(title, state))
	}
	if private {
		return replyUncached(w, http.StatusOK, page)
	}
	return c.serveList(w, r, page, changed)
}

// describe returns a title in a list.
func (c *titleCalls) describe(t catalog.Title, state *wire.SyncState) wire.Title {
	out := wire.Title{
		Summary: t.Summary,
		Author:  wire.String(t.Author),
		Sync:    state,
		Updated: t.Changed.UTC().Truncate(time.Second),
	}
	if facts, ok := c.selector.Facts(t); ok {
		out.Released, out.Warnings = wire.Time(facts.Released), &facts.Warnings
	}
	return out
}
