package httpapi

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// history lists the editions of a title's definition.
func (a *api) history(w http.ResponseWriter, r *http.Request) error {
	id, err := a.reading(w, r)
	if err != nil {
		return err
	}
	all, err := a.cat.History(r.Context(), id)
	if err != nil {
		return err
	}
	body := struct {
		Editions []edition `json:"editions"`
	}{[]edition{}}
	for _, e := range all {
		body.Editions = append(body.Editions, newEdition(e))
	}
	data, err := answer.Encode(body)
	if err != nil {
		return err
	}
	return a.serve(w, r, answer.New(data, all[0].At))
}

// editionIn returns the number of the edition in a path.
func (a *api) editionIn(w http.ResponseWriter, r *http.Request) (id string, n uint64, err error) {
	if id, err = a.reading(w, r); err != nil {
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

// workOn waits for the caller's turn to have a title's definition worked on.
func (a *api) workOn(r *http.Request, id string) error {
	title, err := a.cat.Title(id)
	if err != nil {
		return err
	}
	return a.work(r, int(title.Bytes))
}

// getEdition answers an earlier definition.
func (a *api) getEdition(w http.ResponseWriter, r *http.Request) error {
	id, n, err := a.editionIn(w, r)
	if err != nil {
		return err
	}
	if err := a.workOn(r, id); err != nil {
		return err
	}
	def, err := a.cat.Revision(r.Context(), id, n)
	if err != nil {
		return err
	}
	data, err := def.MarshalJSON()
	if err != nil {
		return err
	}
	return a.serve(w, r, answer.New(data, a.now()))
}

// diffEdition answers what has changed from an edition to the one of ?to, which is
// the current one if it is not given.
func (a *api) diffEdition(w http.ResponseWriter, r *http.Request) error {
	id, n, err := a.editionIn(w, r)
	if err != nil {
		return err
	}
	if err := a.workOn(r, id); err != nil {
		return err
	}
	before, err := a.cat.Revision(r.Context(), id, n)
	if err != nil {
		return err
	}
	var after *patch.Definition
	if to := r.URL.Query().Get("to"); to != "" {
		m, err := strconv.ParseUint(to, 10, 64)
		if err != nil {
			return &requestError{"to must be the number of an edition"}
		}
		if after, err = a.cat.Revision(r.Context(), id, m); err != nil {
			return err
		}
	} else if after, _, err = a.cat.Load(r.Context(), id); err != nil {
		return err
	}
	body := struct {
		Changes []string `json:"changes"`
	}{[]string{}}
	for _, c := range patch.Diff(before, after) {
		body.Changes = append(body.Changes, c.Text)
	}
	w.Header().Set("Cache-Control", "no-cache")
	answer.WriteJSON(w, http.StatusOK, body)
	return nil
}

// restoreEdition makes an earlier definition the current one.
func (a *api) restoreEdition(w http.ResponseWriter, r *http.Request) error {
	who, title, opts, err := a.mayChange(r)
	if err != nil {
		return err
	}
	_, n, err := a.editionIn(w, r)
	if err != nil {
		return err
	}
	if err := a.work(r, 2*int(title.Bytes)); err != nil {
		return err
	}
	def, err := a.cat.Revision(r.Context(), title.ID, n)
	if err != nil {
		return err
	}
	res, err := a.cat.Replace(r.Context(), title.ID, def, opts)
	if err != nil {
		return err
	}
	message := fmt.Sprintf("Title '%s' is as edition %d already: nothing was changed", res.Title.ID, n)
	if res.Changed {
		message = fmt.Sprintf("Title '%s' is as in edition %d again", res.Title.ID, n)
		a.log.InfoContext(
			r.Context(),
			"title restored from its history",
			"title",
			res.Title.ID,
			"edition",
			n,
			"token",
			who.TokenID,
			"changes",
			res.Difference().String(),
		)
	}
	a.reply(
		w,
		r,
		http.StatusOK,
		wire.Answer{Message: message, ID: res.Title.ID, Name: res.Title.Name, Warnings: res.Warnings},
	)
	return nil
}
