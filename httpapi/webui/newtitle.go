package webui

import (
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// newPages are the pages that begin a new title.
type newPages struct{ *visit }

// A newPage offers the ways to begin a title.
type newPage struct {
	Message string
	// From is the way that was chosen: the other fields were typed in its form.
	From                             string
	ID, Name, Publisher, Of, AppName string
}

// In returns the page as the form of a way shows it: with what was typed in it.
func (n newPage) In(from string) newPage {
	if n.From != from {
		return newPage{}
	}
	return n
}

func (p newPages) form() {
	if p.signedIn() && p.mayCreate() {
		p.show(http.StatusOK, "new", "New title", newPage{From: "copy", Of: p.r.URL.Query().Get("of")})
	}
}

// mayCreate reports whether the visitor may create titles. If not, it shows an error.
func (p newPages) mayCreate() bool {
	if p.visitor.MayCreate() {
		return true
	}
	p.fail(http.StatusForbidden, "You are not allowed to create titles.")
	return false
}

// refuse shows the form with what was entered.
func (p newPages) refuse(status int, message string) {
	p.show(status, "new", "New title", newPage{
		Message:   message,
		From:      p.value("from"),
		ID:        p.value("id"),
		Name:      p.value("name"),
		Publisher: p.value("publisher"),
		Of:        p.value("of"),
		AppName:   p.value("app_name"),
	})
}

// begin saves the first draft of a title and leads to its editor.
func (p newPages) begin(d *patch.Definition) {
	switch {
	case !patch.ValidID(d.ID):
		p.refuse(http.StatusBadRequest, "The id must be 1 to 255 of A-Z a-z 0-9 . _ -")
		return
	case p.taken(d.ID):
		message := "There is a title or a draft with the id " + d.ID + " already: choose another id."
		if p.value("from") == "application" {
			message += " Choose the file again as well."
			if p.value("id") == "" {
				p.r.PostForm.Set("id", d.ID)
			}
		}
		p.refuse(http.StatusConflict, message)
		return
	}
	text, err := d.MarshalJSON()
	if err != nil {
		p.refuse(http.StatusBadRequest, "The form contains text that is not UTF-8.")
		return
	}
	if _, _, err := p.api.SaveDraft(p.r.Context(), d.ID, text, &client.SaveDraftOptions{NoDraft: true}); err != nil {
		r := p.refusalOf(err)
		p.refuse(r.Status, r.Message)
		return
	}
	p.redirect(draftURL(d.ID), "Draft created. It is not served until you publish it.")
}

// taken reports whether an id is that of a title or of a draft.
func (p newPages) taken(id string) bool {
	if name := p.visitor.Contributor; p.visitor.Kind == wire.Contributor && name != nil {
		if suffix := "_" + *name; !strings.HasSuffix(strings.ToLower(id), strings.ToLower(suffix)) {
			id += suffix // as the API names the titles of a contributor
		}
	}
	if _, ok := p.h.catalog.Find(id); ok {
		return true
	}
	_, _, err := p.api.Draft(p.r.Context(), id)
	return err == nil || errors.Is(err, client.ErrForbidden)
}

// create begins a title in the way that the visitor has chosen.
func (p newPages) create() {
	files, ok := p.uploaded(maxForm + maxForm)
	if !ok || !p.signedIn() || !p.mayCreate() { // the form first, so that it can be kept
		return
	}
	switch p.value("from") {
	case "blank":
		p.blank()
	case "copy":
		p.copy()
	case "application":
		p.application(files)
	default:
		p.fail(http.StatusBadRequest, unreadable)
	}
}

// blank begins with an empty definition.
func (p newPages) blank() {
	p.begin(&patch.Definition{
		ID:                  p.value("id"),
		Name:                p.value("name"),
		Publisher:           p.value("publisher"),
		Requirements:        []patch.Criterion{},
		Patches:             []patch.Patch{},
		ExtensionAttributes: []patch.ExtensionAttribute{},
	})
}

// copy begins with a copy of another title.
func (p newPages) copy() {
	if !p.enter(p.value("of")) {
		return
	}
	d, _, err := p.api.Definition(p.r.Context(), p.value("of"))
	if errors.Is(err, client.ErrNotFound) {
		p.refuse(http.StatusNotFound, "There is no title with the id "+p.value("of")+" to copy.")
		return
	}
	if err != nil {
		p.refused(err)
		return
	}
	if t, ok := p.h.catalog.Find(d.ID); ok && t.Author != "" {
		d.Name = strings.TrimSuffix(d.Name, " ("+t.Author+")")
	}
	d.ID, d.LastModified = p.value("id"), ""
	if name := p.value("name"); name != "" {
		d.Name = name
	}
	p.begin(d)
}

// application begins with an application. Without scripts, the visitor uploads its Info.plist and types its name.
func (p newPages) application(files []file) {
	if len(files) == 0 {
		p.refuse(http.StatusBadRequest,
			"Choose the file Info.plist, which is in the folder Contents of the application.")
		return
	}
	name := p.value("app_name")
	if name == "" {
		p.refuse(http.StatusBadRequest, "Type the name of the application, such as Composer.app.")
		return
	}
	if path.Ext(name) != ".app" {
		name += ".app"
	}
	made, err := p.api.FromApplication(p.r.Context(), client.ApplicationInfo{
		FileName:  name,
		Publisher: p.value("publisher"),
		Info:      files[len(files)-1].Text,
	})
	if err != nil {
		r := p.refusalOf(err)
		p.refuse(r.Status, r.Message)
		return
	}
	if id := p.value("id"); id != "" {
		made.Definition.ID = id
	}
	made.Definition.LastModified = ""
	p.begin(made.Definition)
}
