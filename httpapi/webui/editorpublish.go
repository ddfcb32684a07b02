package webui

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

// An editorTextPage is the draft as JSON.
type editorTextPage struct {
	*working
	Message string
	Text    string
	Finding finding
}

// textForm shows the draft as JSON.
func (p editorPages) textForm() {
	if w, ok := p.editable(); ok {
		p.showText(http.StatusOK, w, "")
	}
}

func (p editorPages) showText(status int, w *working, message string) {
	page := editorTextPage{working: w, Message: message}
	text := jsontext.Value(append([]byte(nil), w.Text...))
	if text.Indent(jsontext.WithIndent("  ")) == nil && len(text) <= maxText {
		page.Text = string(text)
	}
	page.Finding = find([]byte(text), "", append(w.Broken[:len(w.Broken):len(w.Broken)], w.Errors...), w.Warnings)
	p.visit.show(status, "editjson", "Edit "+w.title(), page)
}

// saveText saves the draft as JSON.
func (p editorPages) saveText() {
	files, ok := p.uploaded(maxUpload)
	if !ok || !p.signedIn() { // the form first, so that it can be kept
		return
	}
	w, ok := p.working()
	if !ok {
		return
	}
	if len(files) == 0 {
		p.fail(http.StatusBadRequest, "The form was empty, so nothing was saved: paste a definition, or choose a file.")
		return
	}
	text, tag := chosen(files), p.value("tag")
	page := editorTextPage{working: w, Text: string(text)}
	if tag != w.Tag {
		page.Message = "The draft has changed since you opened this page, so nothing was saved. " +
			"Save again to overwrite it."
		p.visit.show(http.StatusConflict, "editjson", "Edit "+w.title(), page)
		return
	}
	_, _, err := p.api.SaveDraft(p.r.Context(), w.ID, text, w.saveOptions())
	if err == nil {
		p.redirect(draftURL(w.ID)+"/json", "Draft saved.")
		return
	}
	r := p.refusalOf(err)
	if len(r.Errors) == 0 {
		r.Errors = syntaxErrors(text)
	}
	page.Message, page.Finding = r.Message, find(text, "", r.Errors, nil)
	p.again(r, "editjson", "Edit "+w.title(), page)
}

// An editorPublishPage shows what publishing a draft would change.
type editorPublishPage struct {
	*working
	Message string
	Changes []string
	New     bool
	// Conflict says that the title has changed since the draft was begun: Theirs are these changes. Merged says that
	// none of them collides with the draft; Collisions are those that do.
	Conflict   bool
	Theirs     []string
	Merged     bool
	Collisions []string
	BaseTag    string // the ETag of the title now
}

// publishForm shows the difference between the title and its draft.
func (p editorPages) publishForm() {
	if w, ok := p.working(); ok {
		p.showPublish(http.StatusOK, w, "")
	}
}

func (p editorPages) showPublish(status int, w *working, message string) {
	page := editorPublishPage{working: w, Message: message, New: !w.Served}
	if w.Base != nil {
		page.Changes = sentences(patch.Diff(w.Base, w.Def))
		if err := page.compare(p); err != nil {
			p.refused(err)
			return
		}
	}
	p.visit.show(status, "editpublish", "Publish the draft of "+w.title(), page)
}

// sentences returns the changes of a difference.
func sentences(d patch.Difference) (all []string) {
	for _, change := range d {
		all = append(all, change.Text)
	}
	return all
}

// compare compares the title as it is now with the base of the draft. A title that is disabled has not changed.
func (page *editorPublishPage) compare(p editorPages) error {
	now, tag, err := p.api.Whole(p.r.Context(), page.ID)
	if errors.Is(err, client.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, collisions := merge(page.Base, page.Def, now)
	if tag == page.baseTag && len(collisions) == 0 {
		return nil // disabled versions that only one of them has changed are merged by publishing
	}
	page.Conflict, page.Theirs, page.BaseTag = true, sentences(patch.Diff(page.Base, now)), tag
	page.Collisions = collisions
	page.Merged = len(page.Collisions) == 0
	return nil
}

// publish publishes the draft.
func (p editorPages) publish() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	w, ok := p.working()
	if !ok {
		return
	}
	if !w.Draft() {
		p.redirect(draftURL(w.ID), "There is no draft to publish.")
		return
	}
	if p.value("tag") != w.Tag {
		p.showPublish(http.StatusConflict, w,
			"The draft has changed since you opened this page, so it was not published. "+
				"These are its changes now.")
		return
	}
	answer, err := p.api.PublishDraft(p.r.Context(), w.ID, &client.EditOptions{IfMatch: w.Tag})
	if err == nil {
		p.redirect(titleURL(Title{ID: answer.ID}), sentence(answer.Message))
		return
	}
	r := p.refusalOf(err)
	if _, conflict := client.DraftConflict(err); conflict {
		p.showPublish(http.StatusConflict, w,
			"The title has changed since the draft was begun, so it was not published.")
		return
	}
	w.Errors = r.Errors
	p.showPublish(r.Status, w, r.Message)
}

// mergeDraft merges the changes of the title into its draft.
func (p editorPages) mergeDraft() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	w, ok := p.working()
	if !ok {
		return
	}
	if trouble := w.noForm(); trouble != "" {
		p.showText(http.StatusConflict, w, trouble)
		return
	}
	now, tag, err := p.api.Whole(p.r.Context(), w.ID)
	if err != nil {
		p.refused(err)
		return
	}
	if w.Base == nil || p.value("tag") != w.Tag || p.value("base") != tag {
		p.showPublish(http.StatusConflict, w, "The draft or the title has changed meanwhile, so nothing was merged.")
		return
	}
	merged, _ := merge(w.Base, w.Def, now)
	text, err := merged.MarshalJSON()
	if err == nil {
		opts := &client.SaveDraftOptions{IfMatch: w.Tag, Base: tag, Whole: true}
		_, _, err = p.api.SaveDraft(p.r.Context(), w.ID, text, opts)
	}
	p.done(err, draftURL(w.ID)+"/publish", "The changes of the title are in the draft now")
}

// discardForm asks for confirmation.
func (p editorPages) discardForm() {
	if w, ok := p.working(); ok {
		p.visit.show(http.StatusOK, "discard", "Discard the draft of "+w.title(), discardPage{working: w})
	}
}

// A discardPage asks whether a draft is to be discarded.
type discardPage struct {
	*working
	Message string
}

// discard discards the draft.
func (p editorPages) discard() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	w, ok := p.working()
	if !ok {
		return
	}
	if p.value("tag") != w.Tag {
		p.visit.show(http.StatusConflict, "discard", "Discard the draft of "+w.title(), discardPage{w,
			"The draft has changed since you opened this page, so it was not discarded."})
		return
	}
	next := titleURL(Title{ID: w.ID})
	switch {
	case w.Base == nil:
		next = "/drafts"
	case !w.Served:
		next = draftURL(w.ID) // it is what was served last
	}
	p.done(p.api.DiscardDraft(p.r.Context(), w.ID, &client.EditOptions{IfMatch: w.Tag}), next, "Draft discarded")
}

// A draftsPage lists drafts.
type draftsPage struct{ Drafts []draftRow }

// A draftRow is a draft in the list.
type draftRow struct {
	ID, Name string
	Errors   int
	Disabled bool
	URL      string
	Changed  time.Time
}

// list lists the drafts that the visitor may change.
func (p editorPages) list() {
	if !p.signedIn() {
		return
	}
	drafts, err := p.api.Drafts(p.r.Context())
	if err != nil {
		p.refused(err)
		return
	}
	var page draftsPage
	for _, d := range drafts {
		row := draftRow{d.ID, d.Name, d.Errors, d.Disabled, draftURL(d.ID), d.Changed}
		if row.Name == "" {
			row.Name = d.ID
		}
		page.Drafts = append(page.Drafts, row)
	}
	p.visit.show(http.StatusOK, "drafts", "Drafts", page)
}
