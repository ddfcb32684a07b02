package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/appbundle"
)

// maxInfo is the maximum size of an Info.plist in bytes.
const maxInfo = 1 << 20

// fromApplication answers with a definition that is made from the Info.plist of an application. It stores nothing.
func (c *lintCalls) fromApplication(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.principal(r); err != nil {
		return err
	}
	q := r.URL.Query()
	name := q.Get("app_name")
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return &problem.RequestError{Message: "app_name is missing: add the file name of the application, such as " +
			"?app_name=Composer.app"}
	}
	released := c.now()
	if text := q.Get("release_date"); text != "" {
		var err error
		if released, err = patch.ParseTime(text); err != nil {
			return &problem.RequestError{Message: "release_date must be a time such as 2026-01-02T03:04:05Z"}
		}
	}
	info, err := c.bodies.readBinary(w, r, maxInfo)
	if err != nil {
		return err
	}
	opts := &appbundle.Options{Publisher: q.Get("publisher"), Name: q.Get("name")}
	def, err := appbundle.FromInfo(info, name, released, opts)
	switch {
	case errors.Is(err, appbundle.ErrMissing), errors.Is(err, appbundle.ErrPropertyList):
		return &problem.RequestError{Message: err.Error()}
	case err != nil:
		return err
	}
	warnings, err := patch.LintContext(r.Context(), def, &patch.LintOptions{Now: c.now()})
	if err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, wire.DefinitionDraft{
		Definition: def,
		Warnings:   append([]patch.Warning{}, warnings...),
	})
}

// readBinary reads a body of at most limit bytes that is not JSON.
func (b bodies) readBinary(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	if _, err := b.budget.admitBody(w, r, limit); err != nil {
		return nil, err
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, int64(limit)), r.ContentLength, limit)
	if err != nil {
		return nil, bodyError(err, limit, callOf(r).anonymous())
	}
	if len(body) == 0 {
		return nil, &problem.RequestError{Message: "the body is empty: send the application's Info.plist"}
	}
	return body, b.budget.admitWork(w, r, len(body))
}
