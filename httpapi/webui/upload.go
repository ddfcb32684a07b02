package webui

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// uploadPages are the pages that create and replace titles from files.
type uploadPages struct{ *visit }

// A result is the result for one file.
type result struct {
	Name string
	// Done is created, updated or unchanged. It is empty if the file was refused.
	Done, ID, Message string
	Finding           finding

	refusal *refusal
}

// An uploadPage has the form for files, and the results of an upload.
type uploadPage struct {
	Results []result
	Refused int
	Replace bool
	Text    string // to be corrected
}

func (p uploadPages) form() {
	if p.signedIn() {
		p.show(http.StatusOK, "upload", "Upload", uploadPage{})
	}
}

// upload creates a title from each file, or replaces it if the form says so.
func (p uploadPages) upload() {
	if !p.signedIn() {
		return
	}
	files, ok := p.uploaded(maxUpload)
	if !ok {
		return
	}
	page := uploadPage{Replace: p.value("replace") != ""}
	if len(files) == 0 {
		p.fail(http.StatusBadRequest, "The form was empty: choose one or more files, or paste a definition.")
		return
	}
	var refused *refusal // the first
	for _, f := range files {
		one := p.put(f, page.Replace)
		if one.Done == "" {
			page.Refused++
			refused = cmp.Or(refused, one.refusal)
			if len(files) == 1 {
				page.Text = one.Finding.Text
			}
		}
		page.Results = append(page.Results, one)
	}
	switch {
	case refused != nil:
		p.again(refused, "upload", "Upload", page)
	case len(page.Results) == 1:
		p.redirect("/titles/"+url.PathEscape(page.Results[0].ID), sentence(page.Results[0].Message))
	default:
		p.show(http.StatusOK, "upload", "Upload", page)
	}
}

// put creates a title from a file, or replaces it if replace is true.
func (p uploadPages) put(f file, replace bool) result {
	answer, done, err := p.callPut(f, replace)
	one := result{Name: f.Name, Done: done, ID: answer.ID, Message: answer.Message}
	var failures []patch.Failure
	switch {
	case err != nil:
		one.refusal = p.refusalOf(err)
		if failures = one.refusal.Errors; len(failures) == 0 {
			failures = syntaxErrors(f.Text)
		}
		one.Done, one.Message = "", one.refusal.Message
	case done == wire.ResultUpdated && len(answer.Changes) == 0:
		one.Done = wire.ResultUnchanged
	}
	one.Finding = find(f.Text, "", failures, answer.Warnings)
	return one
}

// callPut calls the API to create or replace the title of a file. done is the result if there is no error.
func (p uploadPages) callPut(f file, replace bool) (answer wire.Answer, done string, err error) {
	ctx := p.r.Context()
	if t, ok := p.existing(f); ok {
		if !replace {
			return answer, "", errExists(t.ID)
		}
		answer, err = p.api.ReplaceJSON(ctx, t.ID, f.Text, nil)
		return answer, wire.ResultUpdated, err
	}
	if answer, err = p.api.CreateJSON(ctx, f.Text); err == nil {
		return answer, wire.ResultCreated, nil
	}
	r := p.refusalOf(err)
	if r.Status != http.StatusConflict || r.Taken == "" {
		return answer, "", r
	}
	if !replace {
		return answer, "", errExists(r.Taken)
	}
	// The title may be another author's: the API decides.
	answer, err = p.api.ReplaceJSON(ctx, r.Taken, f.Text, nil)
	return answer, wire.ResultUpdated, err
}

// errExists returns the error for a title that exists and is not to be replaced.
func errExists(id string) error {
	return &refusal{
		Status: http.StatusConflict,
		Message: "The title '" + id + "' exists already, so nothing was changed: choose to replace titles, " +
			"or use another id.",
	}
}

// existing returns the title that has the id in a file, if the visitor may change it. Otherwise the API knows which
// title the file belongs to.
func (p uploadPages) existing(f file) (Title, bool) {
	def, err := patch.Parse(f.Text, nil)
	if err != nil {
		return Title{}, false
	}
	t, _, err := p.h.catalog.Title(p.r.Context(), def.ID)
	return t, err == nil && p.visitor.MayChange(t)
}
