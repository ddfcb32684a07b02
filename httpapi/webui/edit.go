package webui

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
)

// mine returns the title in the path if the visitor may change it; if not, it says so.
func (v *visit) mine() (Title, *patch.Definition, bool) {
	if !v.signedIn() {
		return Title{}, nil, false
	}
	t, def, ok := v.load()
	if ok && !v.who.MayChange(t) {
		v.fail(http.StatusForbidden, "Your token is not for this title.")
		ok = false
	}
	return t, def, ok
}

// titleURL is a title's page.
func titleURL(t Title) string { return "/titles/" + url.PathEscape(t.ID) }

// An editPage has all of a definition to be changed.
type editPage struct {
	Title
	Tag     string // the ETag of the definition that is changed
	Text    string
	Message string
	Finding finding
}

func (v *visit) editForm() {
	t, def, ok := v.mine()
	if !ok {
		return
	}
	data, err := def.MarshalJSON()
	text := jsontext.Value(data)
	if err == nil {
		err = text.Indent(jsontext.WithIndent("  "))
	}
	if err != nil {
		v.loaded(err)
		return
	}
	p := editPage{Title: t, Tag: t.ETag}
	if len(text) <= maxText {
		p.Text = string(text)
	}
	v.show(http.StatusOK, "edit", "Change "+t.Name, p)
}

// edit replaces a definition, by the file or by the text.
func (v *visit) edit() {
	if !v.signedIn() {
		return
	}
	files, ok := v.uploaded(maxUpload)
	if !ok {
		return
	}
	t, _, ok := v.mine()
	if !ok {
		return
	}
	if len(files) == 0 {
		v.fail(
			http.StatusBadRequest,
			"There was nothing in it, so nothing was changed: paste a definition, or choose a file.",
		)
		return
	}
	f := files[len(files)-1] // a file counts more than the text in front of it
	for _, one := range files {
		if one.Name != "" {
			f = one
		}
	}
	a := v.ask("PUT", titlePath(t.ID, ""), f.Text, "Content-Type", "application/json", "If-Match", v.value("tag"))
	if a.ok() {
		v.done(a, titleURL(t))
		return
	}
	if len(a.Errors) == 0 {
		a.Errors = syntaxOf(f.Text)
	}
	p := editPage{Title: t, Tag: v.value("tag"), Message: a.Message, Finding: find(f.Text, "", a.Errors, nil)}
	if a.status == http.StatusPreconditionFailed {
		p.Tag = t.ETag
		p.Message = "Somebody else has changed this title since you opened it, and nothing of yours was kept yet. Look at the title in another window; to overwrite what they have done, save once more."
	}
	p.Text = p.Finding.Text
	v.again(a, "edit", "Change "+t.Name, p)
}

// A confirmPage asks whether something is really meant.
type confirmPage struct {
	Title
	Version string // empty: the whole title
	Last    bool
}

func (v *visit) removeForm() {
	t, def, ok := v.mine()
	if !ok {
		return
	}
	version := v.r.URL.Query().Get("version")
	if def.FindPatch(version) < 0 {
		v.fail(http.StatusNotFound, "There is no such version of this title. It may have been removed.")
		return
	}
	v.show(
		http.StatusOK,
		"confirm",
		"Remove "+version,
		confirmPage{Title: t, Version: version, Last: len(def.Patches) == 1},
	)
}

// remove removes a version.
func (v *visit) remove() {
	t, _, ok := v.mine()
	if !ok {
		return
	}
	// Not by a field of the form: browsers change line breaks there.
	version := v.r.URL.Query().Get("version")
	v.done(v.ask("DELETE", titlePath(t.ID, "/versions/"+url.PathEscape(version)), nil), titleURL(t))
}

func (v *visit) deleteForm() {
	if t, _, ok := v.mine(); ok {
		v.show(http.StatusOK, "confirm", "Delete "+t.Name, confirmPage{Title: t})
	}
}

// delete deletes a title.
func (v *visit) delete() {
	if t, _, ok := v.mine(); ok {
		v.done(v.ask("DELETE", titlePath(t.ID, ""), nil), "/")
	}
}

// undo brings an edition back, if the title is still as it was when it was said what that
// changes.
func (v *visit) undo() {
	if !v.signedIn() || !v.form() {
		return
	}
	t, _, ok := v.mine()
	if !ok {
		return
	}
	n := url.PathEscape(v.r.PathValue("n"))
	a := v.ask("POST", titlePath(t.ID, "/history/"+n+"/restore"), nil, "If-Match", v.value("tag"))
	if a.status == http.StatusPreconditionFailed {
		v.goTo(
			titleURL(t)+"/history/"+n,
			"Somebody else has changed this title since you opened it, and nothing was undone. This is what would be undone now.",
		)
		return
	}
	v.done(a, titleURL(t))
}

// syncTitle asks a title's source now.
func (v *visit) syncTitle() {
	t, _, ok := v.mine()
	if !ok {
		return
	}
	a := v.ask("POST", titlePath(t.ID, "/sync"), nil)
	if a.ok() {
		a.Message = fmt.Sprintf("%s will be asked in a moment. Open this page again to see how it went", t.Follows)
	}
	v.done(a, titleURL(t))
}

// done leads to where the visitor sees what they have done, or says what was wrong.
func (v *visit) done(a *answer, where string) {
	if !a.ok() {
		v.refused(a)
		return
	}
	v.goTo(where, sentence(a.Message))
}

// addFiles adds the versions in files to a title, all or none.
func (v *visit) addFiles(t Title, files []file, form *versionPage) {
	a := &answer{
		status:  http.StatusBadRequest,
		Message: "There was nothing in it: choose one or more files, or paste a version.",
	}
	if len(files) > 0 {
		a = v.postFiles(t, files, form)
	}
	if a.ok() {
		v.added(a, t)
		return
	}
	form.Message = a.Message
	if len(files) == 1 && len(files[0].Text) <= maxText {
		form.Text = string(files[0].Text)
	}
	v.again(a, "version", "Add a version to "+t.Name, form)
}

// postFiles has the API add the versions in files, and puts what it has against them to
// their lines.
func (v *visit) postFiles(t Title, files []file, form *versionPage) *answer {
	var items bytes.Buffer
	items.WriteString(`{"items":[`)
	for i, f := range files {
		if wrong := syntaxOf(f.Text); wrong != nil {
			form.Results = append(
				form.Results,
				result{Name: f.Name, Message: "This is no JSON.", Finding: find(f.Text, "", wrong, nil)},
			)
		}
		if i > 0 {
			items.WriteByte(',')
		}
		items.Write(f.Text)
	}
	items.WriteString("]}")
	if len(form.Results) > 0 {
		return &answer{status: http.StatusBadRequest, Message: "Nothing was added."}
	}
	a := v.ask(
		"POST",
		titlePath(t.ID, "/versions")+"?insert=ordered",
		items.Bytes(),
		"Content-Type",
		"application/json",
	)
	if len(a.Errors) > 0 {
		a.Message = "Nothing was added."
	}
	for i, f := range files {
		prefix := "/items/" + strconv.Itoa(i)
		var own []patch.Failure
		for _, e := range a.Errors {
			if e.Path == prefix || strings.HasPrefix(e.Path, prefix+"/") {
				own = append(own, e)
			}
		}
		if own != nil {
			form.Results = append(
				form.Results,
				result{
					Name:    f.Name,
					Message: "Refused, and nothing was added.",
					Finding: find(f.Text, prefix, own, nil),
				},
			)
		}
	}
	return a
}
