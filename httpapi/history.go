package httpapi

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// historyCalls are the calls about the earlier definitions of titles.
type historyCalls struct{ *titleService }

// list lists the revisions of a title's definition.
func (c *historyCalls) list(w http.ResponseWriter, r *http.Request) error {
	id, err := c.readable(w, r)
	if err != nil {
		return err
	}
	all, err := c.catalog.History(r.Context(), id)
	if err != nil {
		return err
	}
	principal := c.access.reader(w, r)
	named := c.tokens != nil && !principal.Anonymous()
	body := wire.History{Revisions: []wire.Revision{}}
	for _, rev := range all {
		one := wire.Revision{
			Number:  rev.Number,
			At:      wire.Time(rev.At),
			Token:   wire.String(rev.By),
			Version: rev.Version,
			Current: rev.Current,
		}
		if named {
			info, ok := c.tokens.Info(rev.By)
			if ok && c.access.mayManage(r.Context(), principal, info) {
				one.TokenName = info.Name
			}
		}
		body.Revisions = append(body.Revisions, one)
	}
	return c.serveJSON(w, r, body, all[0].At)
}

// revisionIn returns the title and the number of the revision in a path.
func (c *historyCalls) revisionIn(w http.ResponseWriter, r *http.Request) (id string, n uint64, err error) {
	if id, err = c.readable(w, r); err != nil {
		return "", 0, err
	}
	text, err := variable(r, "n")
	if err != nil {
		return "", 0, err
	}
	n, err = strconv.ParseUint(text, 10, 64)
	if err != nil {
		err = &catalog.TitleError{ID: id, Err: fmt.Errorf("%w: %s", catalog.ErrNoRevision, trace.Shorten(text))}
	}
	return id, n, err
}

// get answers with an earlier definition.
func (c *historyCalls) get(w http.ResponseWriter, r *http.Request) error {
	id, n, err := c.revisionIn(w, r)
	if err != nil {
		return err
	}
	if err := c.turn(r, id); err != nil {
		return err
	}
	def, err := c.catalog.Revision(r.Context(), id, n)
	if err != nil {
		return err
	}
	data, err := def.MarshalJSON()
	if err != nil {
		return err
	}
	return c.serve(w, r, answer.New(data, c.now()))
}

// diff answers with the differences from a revision to the one of ?to, or to the current one without it.
func (c *historyCalls) diff(w http.ResponseWriter, r *http.Request) error {
	id, n, err := c.revisionIn(w, r)
	if err != nil {
		return err
	}
	if err := c.turn(r, id); err != nil {
		return err
	}
	before, err := c.catalog.Revision(r.Context(), id, n)
	if err != nil {
		return err
	}
	after, err := c.diffTo(r, id)
	if err != nil {
		return err
	}
	body := wire.Difference{Changes: []string{}}
	for _, change := range patch.Diff(before, after) {
		body.Changes = append(body.Changes, change.Text)
	}
	w.Header().Set("Cache-Control", "no-cache")
	answer.WriteJSON(w, http.StatusOK, body)
	return nil
}

// diffTo returns the definition of ?to, and the current one without it.
func (c *historyCalls) diffTo(r *http.Request, id string) (*patch.Definition, error) {
	to := r.URL.Query().Get("to")
	if to == "" {
		current, _, err := c.catalog.Load(r.Context(), id)
		return current, err
	}
	n, err := strconv.ParseUint(to, 10, 64)
	if err != nil {
		return nil, &problem.RequestError{Message: "to must be the number of a revision"}
	}
	return c.catalog.Revision(r.Context(), id, n)
}

// restore makes an earlier definition the current one.
func (c *historyCalls) restore(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	_, n, err := c.revisionIn(w, r)
	if err != nil {
		return err
	}
	if err := c.budget.turn(r, 2*int(e.title.Bytes)); err != nil {
		return err
	}
	def, err := c.catalog.Revision(r.Context(), e.title.ID, n)
	if err != nil {
		return err
	}
	res, err := c.catalog.Replace(r.Context(), e.title.ID, def, e.opts)
	if err != nil {
		return err
	}
	message := fmt.Sprintf("Title '%s' equals revision %d already: nothing was changed", res.Title.ID, n)
	if res.Changed {
		message = fmt.Sprintf("Title '%s' restored to revision %d", res.Title.ID, n)
		c.logChange(r, "title restored from its history", e.principal,
			"title", res.Title.ID, "revision", n, "changes", res.Difference().String())
	}
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message:  message,
		ID:       res.Title.ID,
		Name:     res.Title.Name,
		Warnings: res.Warnings,
	})
}
