package webui

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

// editPages are the pages that change an existing title.
type editPages struct{ *visit }

// titleURL returns the path of a title's page.
func titleURL(t Title) string { return "/titles/" + url.PathEscape(t.ID) }

// An editPage has the whole definition of a title to be edited.
type editPage struct {
	Title
	Tag     string // the ETag of the definition that is edited
	Text    string
	Message string
	Finding finding
}

func (p editPages) form() {
	t, def, ok := p.editable()
	if !ok {
		return
	}
	text, err := indented(def)
	if err != nil {
		p.loaded(err)
		return
	}
	page := editPage{Title: t, Tag: t.ETag}
	if len(text) <= maxText {
		page.Text = text
	}
	p.show(http.StatusOK, "edit", "Edit "+t.Name, page)
}

// indented returns the JSON of a definition with a member on each line.
func indented(def *patch.Definition) (string, error) {
	data, err := def.MarshalJSON()
	if err != nil {
		return "", err
	}
	text := jsontext.Value(data)
	err = text.Indent(jsontext.WithIndent("  "))
	return string(text), err
}

// save replaces the definition with a file or with a text.
func (p editPages) save() {
	if !p.signedIn() {
		return
	}
	files, ok := p.uploaded(maxUpload)
	if !ok {
		return
	}
	t, _, ok := p.editable()
	if !ok {
		return
	}
	if len(files) == 0 {
		p.fail(http.StatusBadRequest,
			"The form was empty, so nothing was changed: paste a definition, or choose a file.")
		return
	}
	text, tag := chosen(files), p.value("tag")
	answer, err := p.api.ReplaceJSON(p.r.Context(), t.ID, text, &client.EditOptions{IfMatch: tag})
	if err == nil {
		p.redirect(titleURL(t), sentence(answer.Message))
		return
	}
	r := p.refusalOf(err)
	if len(r.Errors) == 0 {
		r.Errors = syntaxErrors(text)
	}
	page := editPage{Title: t, Tag: tag, Message: r.Message, Finding: find(text, "", r.Errors, nil)}
	if r.Status == http.StatusPreconditionFailed {
		page.Tag = t.ETag
		page.Message = "This title has changed since you opened it, so nothing was saved. " +
			"Look at the title in another window. To overwrite the change, save again."
	}
	page.Text = page.Finding.Text
	p.again(r, "edit", "Edit "+t.Name, page)
}

// chosen returns the file of a form that has a text as well: a file is used in place of the text.
func chosen(files []file) []byte {
	f := files[len(files)-1]
	for _, one := range files {
		if one.Name != "" {
			f = one
		}
	}
	return f.Text
}

// A confirmPage asks for confirmation.
type confirmPage struct {
	Title
	Version string // empty: the whole title
	Last    bool   // the version is the only one
}

func (p editPages) removeForm() {
	t, def, ok := p.editable()
	if !ok {
		return
	}
	version := p.r.URL.Query().Get("version")
	if def.FindPatch(version) < 0 {
		p.fail(http.StatusNotFound, "This version does not exist. It may have been removed.")
		return
	}
	p.show(http.StatusOK, "confirm", "Remove "+version,
		confirmPage{Title: t, Version: version, Last: len(def.Patches) == 1})
}

// remove removes a version.
func (p editPages) remove() {
	t, _, ok := p.editable()
	if !ok {
		return
	}
	// The version is not in a field of the form, because browsers change line breaks there.
	answer, err := p.api.RemoveVersion(p.r.Context(), t.ID, p.r.URL.Query().Get("version"), nil)
	p.done(err, titleURL(t), answer.Message)
}

func (p editPages) deleteForm() {
	if t, _, ok := p.editable(); ok {
		p.show(http.StatusOK, "confirm", "Delete "+t.Name, confirmPage{Title: t})
	}
}

// delete deletes a title.
func (p editPages) delete() {
	if t, _, ok := p.editable(); ok {
		answer, err := p.api.Delete(p.r.Context(), t.ID, nil)
		p.done(err, "/", answer.Message)
	}
}

// restore makes a revision the current one, unless the title has changed since the visitor saw which changes that
// undoes.
func (p editPages) restore() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	t, _, ok := p.editable()
	if !ok {
		return
	}
	number, ok := p.revisionNumber()
	if !ok {
		return
	}
	opts := &client.EditOptions{IfMatch: p.value("tag")}
	answer, err := p.api.RestoreRevision(p.r.Context(), t.ID, number, opts)
	if err != nil && p.statusOf(err) == http.StatusPreconditionFailed {
		p.redirect(titleURL(t)+"/history/"+strconv.FormatUint(number, 10),
			"This title has changed since you opened it, so nothing was restored. "+
				"These are now the changes since that revision.")
		return
	}
	p.done(err, titleURL(t), answer.Message)
}

// syncNow has the upstream of a title polled.
func (p editPages) syncNow() {
	t, _, ok := p.editable()
	if !ok {
		return
	}
	_, err := p.api.Sync(p.r.Context(), t.ID)
	p.done(err, titleURL(t),
		fmt.Sprintf("%s will be polled in a moment. Reload this page to see the result", t.Follows))
}
