package webui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

// editorPages are the pages that edit the draft of a title: one section at a time, each of which is saved by itself.
type editorPages struct{ *visit }

// A working is the working copy of a title's definition that is edited: its draft or, if it has none, its definition.
type working struct {
	ID string
	// Def is the working copy. Values of a wrong type are missing; Broken has them.
	Def    *patch.Definition
	Text   []byte
	Broken []patch.Failure
	// Tag is the ETag of the draft; without one, see titleTag.
	Tag string
	// Served reports whether readers are served the title now.
	Served bool
	// Base is the definition for which the draft was begun. It is nil if the title has never been served.
	Base *patch.Definition
	// baseTag is the ETag that the title had then.
	baseTag string
	// Errors and Warnings are those of the draft.
	Errors   []patch.Failure
	Warnings []patch.Warning
}

// Draft reports whether the working copy is a draft.
func (w *working) Draft() bool { return !strings.HasPrefix(w.Tag, titleTag) }

// titleTag is in front of the Tag of a working copy without a draft: the rest is the ETag of the title.
const titleTag = "title "

const (
	// maxEditorRows bounds the versions on the page of a draft: a definition has at most 10,000.
	maxEditorRows = 12_000
	// maxEditorFields bounds the fields of a form: net/http refuses forms with more than 10,000.
	maxEditorFields = 9_000
	// maxEditorScripts bounds the scripts of a form in bytes, which are sent three times as long.
	maxEditorScripts = 3 << 20
)

// noForm says why the forms of the editor cannot show the working copy. It is empty if they can.
func (w *working) noForm() string {
	if len(w.Broken) > 0 {
		return "The draft has values of a wrong type: correct them here first."
	}
	const perCriterion, perAttribute, perApp = 5, 4, 2
	fields, scripts := perCriterion*len(w.Def.Requirements)+perAttribute*len(w.Def.ExtensionAttributes), 0
	for _, a := range w.Def.ExtensionAttributes {
		scripts += len(a.Value)
	}
	for i := range w.Def.Patches {
		p := &w.Def.Patches[i]
		n := perApp*len(p.KillApps) + perCriterion*len(p.Capabilities)
		for j := range p.Components {
			n += perCriterion * len(p.Components[j].Criteria)
		}
		fields = max(fields, n)
	}
	if fields > maxEditorFields || scripts > maxEditorScripts || len(w.Def.Patches) > maxEditorRows {
		return "The draft is too large for a form: edit it as JSON."
	}
	return ""
}

// saveOptions are the options to save the working copy if neither the draft nor, without one, the title has changed.
func (w *working) saveOptions() *client.SaveDraftOptions {
	if w.Draft() {
		return &client.SaveDraftOptions{IfMatch: w.Tag, Whole: true}
	}
	return &client.SaveDraftOptions{NoDraft: true, Base: strings.TrimPrefix(w.Tag, titleTag), Whole: true}
}

// draftURL returns the path of the editor of the title with an id.
func draftURL(id string) string { return "/titles/" + url.PathEscape(id) + "/draft" }

// working returns the working copy of the title in the path. If it cannot, it shows an error and returns false.
func (p editorPages) working() (*working, bool) {
	if !p.signedIn() {
		return nil, false
	}
	id := p.r.PathValue("id")
	if !p.enter(id) {
		return nil, false
	}
	w, err := p.readWorking(id)
	if errors.Is(err, client.ErrNotFound) {
		return nil, p.loaded(ErrNotFound)
	}
	if err != nil {
		p.refused(err)
		return nil, false
	}
	return w, true
}

// editable returns the working copy of the title in the path if it can be edited. A title that follows a source cannot.
func (p editorPages) editable() (*working, bool) {
	w, ok := p.working()
	if !ok {
		return nil, false
	}
	if t, served := p.h.catalog.Find(w.ID); served && t.Follows != "" && !w.Draft() {
		p.fail(http.StatusForbidden, "This title follows "+t.Follows+
			": you can change it only there. To change it here, copy it to a title of its own.")
		return nil, false
	}
	return w, true
}

// readWorking returns the working copy of a title. The error is that of the API.
func (v *visit) readWorking(id string) (*working, error) {
	ctx := v.r.Context()
	d, tag, err := v.api.Draft(ctx, id)
	if errors.Is(err, client.ErrNotFound) {
		return v.startWorking(id)
	}
	if err != nil {
		return nil, err
	}
	w := &working{ID: id, Text: d.Definition, Tag: tag, Errors: d.Errors, Warnings: d.Warnings}
	if d.Base != nil {
		w.baseTag, w.Base = *d.Base, &patch.Definition{}
		if err := w.Base.UnmarshalJSON(d.BaseDefinition); err != nil {
			return nil, err
		}
	}
	if err := w.parse(); err != nil {
		return nil, err
	}
	w.ID = w.Def.ID // the whole one, if a contributor has named it plainly
	_, w.Served = v.h.catalog.Find(w.ID)
	return w, nil
}

// startWorking returns the working copy of a title that has no draft yet.
func (v *visit) startWorking(id string) (*working, error) {
	def, tag, err := v.api.Whole(v.r.Context(), id)
	if err != nil {
		return nil, err
	}
	text, err := def.MarshalJSON()
	if err != nil {
		return nil, err
	}
	warnings := patch.Lint(def, &patch.LintOptions{Now: v.h.now()})
	w := &working{ID: def.ID, Text: text, Tag: titleTag + tag, Served: true, Base: def, baseTag: tag,
		Warnings: warnings}
	return w, w.parse()
}

// parse sets Def and Broken from Text.
func (w *working) parse() (err error) {
	w.Def, w.Broken, err = patch.ParseDraft(w.Text, &patch.ParseOptions{MaxBytes: -1, Stored: true})
	if err == nil && w.Def.ID == "" {
		w.Def.ID = w.ID
	}
	return err
}

// An editorPage is the page of a draft.
type editorPage struct {
	*working
	Message string
	fieldErrors
	Others       []patch.Failure // failures of no field on this page
	Requirements []criterionRow
	Attributes   []attributeRow
	Versions     []versionRow
	// Order has the indices of the versions as they were dragged to. It is empty if none was.
	Order string
	// NewVersion and Of are what was typed to add a version.
	NewVersion, Of string

	Operators, Names, Keys []string
}

// A versionRow is a version in the list of the editor.
type versionRow struct {
	Index            int
	Version          string
	Released         string
	Disabled         bool
	Errors, Warnings int
	First, Last      bool
}

// An attributeRow is an extension attribute in the editor. Its script is plain text.
type attributeRow struct {
	Path, Key, Name, Script string
	// Was is the mark of the attribute that the row began with. It is empty for a new one.
	Was string
	// NoText reports that the script is not text. It is kept unless another one is typed.
	NoText bool
}

// newEditorPage returns the page of a working copy.
func newEditorPage(w *working) *editorPage {
	p := &editorPage{
		working:     w,
		fieldErrors: fieldErrors{},
		Operators:   operators,
		Names:       patch.CriterionNames(),
		Keys:        keysOf(w.Def),
	}
	p.Requirements = criterionRows(w.Def.Requirements, "/requirements", 1)
	for i, a := range w.Def.ExtensionAttributes {
		row := attributeRow{
			Path: "/extensionAttributes/" + strconv.Itoa(i),
			Key:  a.Key,
			Name: a.DisplayName,
			Was:  "was " + a.Key,
		}
		text, ok := scriptText(a.Value)
		row.Script, row.NoText = text, !ok
		p.Attributes = append(p.Attributes, row)
	}
	p.Attributes = append(p.Attributes, attributeRow{Path: "/extensionAttributes/" + strconv.Itoa(len(p.Attributes))})
	paths := p.paths()
	p.Others = p.take(append(w.Broken[:len(w.Broken):len(w.Broken)], w.Errors...), paths...)
	for _, warning := range w.Warnings {
		if slices.Contains(paths, warning.Path) && p.fieldErrors[warning.Path] == "" {
			p.fieldErrors[warning.Path] = warning.Message
		}
	}
	p.addVersions()
	return p
}

// addVersions adds the versions, with the numbers of their failures and warnings.
func (p *editorPage) addVersions() {
	var rest []patch.Failure
	errorsOf, warningsOf := map[int]int{}, map[int]int{}
	for _, f := range p.Others {
		if i, ok := versionIndex(f.Path); ok {
			errorsOf[i]++
		} else {
			rest = append(rest, f)
		}
	}
	p.Others = rest
	for _, w := range p.working.Warnings {
		if i, ok := versionIndex(w.Path); ok {
			warningsOf[i]++
		}
	}
	n := len(p.Def.Patches)
	for i := range p.Def.Patches {
		v := &p.Def.Patches[i]
		p.Versions = append(p.Versions, versionRow{
			Index:    i,
			Version:  v.Version,
			Released: releaseDay(v.ReleaseDate),
			Disabled: v.Disabled,
			Errors:   errorsOf[i],
			Warnings: warningsOf[i],
			First:    i == 0,
			Last:     i == n-1,
		})
	}
}

// reorder shows the versions in an order that was not saved.
func (p *editorPage) reorder(order string) {
	rows := p.Versions
	place, problem := orderVersions(&patch.Definition{Patches: slices.Clone(p.Def.Patches)}, order)
	if problem != "" || order == "" {
		return
	}
	p.Order, p.Versions = order, make([]versionRow, len(rows))
	for i, to := range place {
		row := rows[i]
		row.First, row.Last = to == 0, to == len(rows)-1
		p.Versions[to] = row
	}
}

// versionIndex returns the index of the version that a path is in.
func versionIndex(path string) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/patches/")
	if !ok {
		return 0, false
	}
	text, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(text)
	return i, err == nil
}

// paths returns the paths of the fields on the page.
func (p *editorPage) paths() []string {
	all := []string{"/id", "/name", "/publisher", "/appName", "/bundleId", "/requirements", "/patches",
		"/extensionAttributes"}
	for _, r := range p.Requirements {
		all = append(all, r.Path+"/name", r.Path+"/operator", r.Path+"/value", r.Path+"/and", r.Path+"/type")
	}
	for _, a := range p.Attributes {
		all = append(all, a.Path+"/key", a.Path+"/displayName", a.Path+"/value")
	}
	return all
}

// keysOf returns the keys of the extension attributes of a definition.
func keysOf(d *patch.Definition) (keys []string) {
	for _, a := range d.ExtensionAttributes {
		keys = append(keys, a.Key)
	}
	return keys
}

// criterionRows returns the rows of a list of criteria with a path, and some empty rows.
func criterionRows(criteria []patch.Criterion, path string, spare int) (rows []criterionRow) {
	for _, c := range criteria {
		rows = append(rows, criterionRow{
			Name:     c.Name,
			Operator: c.Operator,
			Value:    c.Value,
			Or:       c.And != nil && !*c.And,
		})
	}
	for range spare {
		rows = append(rows, criterionRow{Operator: "is"})
	}
	for i := range rows {
		rows[i].Path = path + "/" + strconv.Itoa(i)
	}
	return rows
}

// show shows the editor of a working copy.
func (p editorPages) showEditor(status int, w *working, message string) {
	page := newEditorPage(w)
	page.Message = message
	p.visit.show(status, "editor", "Edit "+w.title(), page)
}

// title returns what the title is called on pages.
func (w *working) title() string {
	if w.Def.Name != "" {
		return w.Def.Name
	}
	return w.Def.ID
}

// form shows the editor.
func (p editorPages) form() {
	if w, ok := p.editable(); ok {
		if trouble := w.noForm(); trouble != "" {
			p.showText(http.StatusOK, w, trouble)
			return
		}
		p.showEditor(http.StatusOK, w, "")
	}
}
