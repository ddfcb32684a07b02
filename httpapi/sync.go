package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

// syncCalls are the calls about upstreams that titles follow.
type syncCalls struct{ *titleService }

// list lists everything that is followed, with its state.
func (c *syncCalls) list(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	body := wire.SourceList{Sources: []wire.Source{}}
	for s := range c.sync.Sources() {
		if c.maySee(r, principal, s) {
			body.Sources = append(body.Sources, s)
		}
	}
	return c.serveJSON(w, r, body, c.now())
}

// maySee reports whether a principal may see the state of a source: one that may change every title sees all, any other
// those of the titles that it may change.
func (c *syncCalls) maySee(r *http.Request, principal auth.Principal, s wire.Source) bool {
	if callOf(r).trusted || s.Title == nil {
		return callOf(r).trusted
	}
	title, err := c.catalog.Title(*s.Title)
	return err == nil && c.access.mayChange(r.Context(), principal, title)
}

// title has a title synchronized soon.
func (c *syncCalls) title(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	title := e.title
	if err := c.sync.Trigger(title.ID); err != nil {
		return err
	}
	source := trace.URL(title.Follows)
	c.logChange(r, "sync requested", e.principal, "title", title.ID, "source", source)
	return c.reply(w, r, http.StatusAccepted, wire.Answer{
		Message: fmt.Sprintf("Title '%s' will be synchronized with %s in a moment; "+
			"see /api/v1/titles?q=%s for the result", title.ID, source, title.ID),
		ID:   title.ID,
		Name: title.Name,
	})
}

// mirror has a whole source synchronized soon.
func (c *syncCalls) mirror(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	values, err := c.bodies.texts(w, r, "mirror")
	if err != nil {
		return err
	}
	name := values[0]
	if c.sync.TriggerMirror(name) != nil {
		return failure("/mirror", "is none of the mirrors that are followed; there are "+c.mirrorNames())
	}
	c.logChange(r, "sync requested", principal, "mirror", name)
	return c.reply(w, r, http.StatusAccepted, wire.Answer{
		Message: fmt.Sprintf("All titles of '%s' will be synchronized in a moment; see /api/v1/sync for the result",
			trace.Shorten(name)),
	})
}

// mirrorNames returns the names of the mirrors.
func (c *syncCalls) mirrorNames() string {
	var names []string
	for s := range c.sync.Sources() {
		if s.Mirror != nil {
			names = append(names, "'"+*s.Mirror+"'")
		}
	}
	return cmp.Or(named(names), "none")
}

// subscribe creates a title that follows a URL, as Stupid Simple Patch Server did.
func (c *syncCalls) subscribe(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	values, invalid := c.bodies.texts(w, r, "id", "json_url")
	values = append(values, "", "") // there are none if the body cannot be read
	id, url := values[0], values[1]
	if err := c.mayCreate(r, principal, id); err != nil {
		return err // before the body's errors: a principal that may not create it learns no more about it
	}
	if invalid != nil {
		return invalid
	}
	if t, err := c.catalog.Title(id); err == nil && t.Contributor == principal.Contributor {
		return &catalog.TitleError{ID: t.ID, Err: catalog.ErrExists} // before the upstream is asked
	}
	leave, err := c.budget.fetch(r)
	if err != nil {
		return err
	}
	defer leave()
	def, err := c.sync.Fetch(r.Context(), url)
	if err != nil {
		return err
	}
	if !strings.EqualFold(def.ID, id) {
		return &catalog.TitleError{ID: id, Err: fmt.Errorf("%w: %q", catalog.ErrIDDiffers, def.ID)}
	}
	res, err := c.create(r.Context(), principal, def, catalog.CreateOptions{Follows: url})
	if err != nil {
		return err
	}
	title, source := res.Title, trace.URL(url)
	c.logChange(r, "title subscribed", principal, "title", title.ID, "version", title.CurrentVersion, "source", source)
	message := fmt.Sprintf("Title '%s' follows %s", title.ID, source)
	answer.WriteJSON(w, http.StatusCreated, wire.Subscribed{
		Success: message,
		Answer:  wire.Answer{Message: message, ID: title.ID, Name: title.Name, Warnings: res.Warnings},
	})
	return nil
}

// unsubscribe stops following a title's upstream, and deletes the title.
func (c *syncCalls) unsubscribe(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	title := e.title
	if err := c.access.authorize(r.Context(), e.principal, auth.ActionCreate, titleOf(title)); err != nil {
		return fmt.Errorf("%w; delete the title instead of ending its subscription", err)
	}
	_, known := c.sync.State(title, false)
	switch {
	case title.Source != "" && known:
		return fmt.Errorf("%w: title '%s' belongs to the mirror of %s: exclude it there, or it comes back",
			auth.ErrDenied, title.ID, trace.URL(title.Source))
	case title.Follows == "":
		return &catalog.TitleError{ID: title.ID, Err: fmt.Errorf("%w: %w", catalog.ErrNotFound, ErrNotFollowed)}
	}
	if err := c.remove(r, e); err != nil {
		return err
	}
	message := fmt.Sprintf("Title '%s' no longer follows %s, and was deleted", title.ID, trace.URL(title.Follows))
	answer.WriteJSON(w, http.StatusOK, wire.Answer{Message: message, Success: message})
	return nil
}
