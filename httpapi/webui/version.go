package webui

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// versionPages are the pages that add versions to a title.
type versionPages struct{ *visit }

func (p versionPages) form() {
	t, def, ok := p.editable()
	if !ok {
		return
	}
	form := newVersionForm(t, def)
	form.startFrom(&def.Patches[0], p.h.now())
	p.show(http.StatusOK, "version", "Add a version to "+t.Name, form)
}

// add adds the version of the form, or those in files.
func (p versionPages) add() {
	if !p.signedIn() {
		return
	}
	files, ok := p.uploaded(maxUpload)
	if !ok {
		return
	}
	t, def, ok := p.editable()
	if !ok {
		return
	}
	form := newVersionForm(t, def)
	if p.value("form") == "json" {
		form.startFrom(&def.Patches[0], p.h.now())
		p.addFiles(t, files, form)
		return
	}
	version := form.read(p.r.PostForm)
	body, err := version.MarshalJSON()
	if err != nil {
		p.fail(http.StatusBadRequest, "The form cannot be read: it contains text that is not UTF-8.")
		return
	}
	opts := &client.AddOptions{At: client.Place{Front: form.Front}}
	answer, err := p.api.AddVersionsJSON(p.r.Context(), t.ID, body, opts)
	if err == nil {
		p.added(answer, t)
		return
	}
	r := p.refusalOf(err)
	form.Message = r.Message
	form.spare()
	form.Others = form.take(r.Errors, form.paths()...)
	if r.Status == http.StatusConflict {
		form.fieldErrors["/version"] = "this version exists already"
	}
	p.again(r, "version", "Add a version to "+t.Name, form)
}

// currentOlder is the code of the API's warning that a change has made a title's current version older than it was.
const currentOlder = "current-version-older"

// added leads to a title's page after versions were added. That page shows lint's warnings; the notice has the warnings
// that only the change could give.
func (p versionPages) added(answer wire.Answer, t Title) {
	message := answer.Message
	for _, w := range answer.Warnings {
		if w.Code == currentOlder {
			message = strings.TrimSpace(sentence(message) + " " + sentence(w.Message) + " " + sentence(w.Fix))
		}
	}
	p.redirect(titleURL(t), sentence(message))
}

// addFiles adds the versions in files to a title, all or none.
func (p versionPages) addFiles(t Title, files []file, form *versionForm) {
	answer, err := p.postFiles(t, files, form)
	if err == nil {
		p.added(answer, t)
		return
	}
	r := p.refusalOf(err)
	form.Message = r.Message
	if len(files) == 1 && len(files[0].Text) <= maxText {
		form.Text = string(files[0].Text)
	}
	p.again(r, "version", "Add a version to "+t.Name, form)
}

// postFiles calls the API to add the versions in files, and adds the API's failures to the form, each at its line of
// its file.
func (p versionPages) postFiles(t Title, files []file, form *versionForm) (wire.Answer, error) {
	if len(files) == 0 {
		return wire.Answer{}, &refusal{
			Status:  http.StatusBadRequest,
			Message: "The form was empty: choose one or more files, or paste a version.",
		}
	}
	var items bytes.Buffer
	items.WriteString(`{"items":[`)
	for i, f := range files {
		if wrong := syntaxErrors(f.Text); wrong != nil {
			form.Results = append(form.Results,
				result{Name: f.Name, Message: "This is not valid JSON.", Finding: find(f.Text, "", wrong, nil)})
		}
		if i > 0 {
			items.WriteByte(',')
		}
		items.Write(f.Text)
	}
	items.WriteString("]}")
	if len(form.Results) > 0 {
		return wire.Answer{}, &refusal{Status: http.StatusBadRequest, Message: "Nothing was added."}
	}
	answer, err := p.api.AddVersionsJSON(p.r.Context(), t.ID, items.Bytes(), nil)
	if err == nil {
		return answer, nil
	}
	r := p.refusalOf(err)
	if len(r.Errors) > 0 {
		r.Message = "Nothing was added."
	}
	for i, f := range files {
		prefix := "/items/" + strconv.Itoa(i)
		own := slices.DeleteFunc(slices.Clone(r.Errors), func(e patch.Failure) bool {
			return e.Path != prefix && !strings.HasPrefix(e.Path, prefix+"/")
		})
		if len(own) > 0 {
			form.Results = append(form.Results, result{
				Name:    f.Name,
				Message: "Refused, and nothing was added.",
				Finding: find(f.Text, prefix, own, nil),
			})
		}
	}
	return wire.Answer{}, r
}
