package webui

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch"
)

// maxEditorForm limits a form of the editor, whose scripts may be long.
const maxEditorForm = maxPublished

const (
	// draftChanged is shown with a form that was opened before the draft was saved by somebody else.
	draftChanged = "The draft has changed since you opened this page, so nothing was saved. " +
		"What you entered is still here: look at the draft in another window, and save again to overwrite it."
	// draftBroken is shown with a form in whose place there is now a draft that no form can show.
	draftBroken = "The draft has changed since you opened this page, and has values of a wrong type now, " +
		"so nothing was saved. What you entered is still here: saving again removes the values of a wrong type."
)

// toVersions is the list of the versions in the editor.
const toVersions = "/draft#versions"

// checkOnly is the button of a form that is checked and not saved. Scripts press it while the form is filled in.
const checkOnly = "check"

// An outcome is the result of a change that a form asked for. The zero outcome is a success.
type outcome struct {
	problem string // why nothing was saved
	status  int    // of the problem
	next    string // the page that follows, below that of the title; empty: the page of the draft
	notice  string // what is said there; empty: the draft was saved
}

// refuse returns the outcome of a form that asks for something impossible.
func refuse(problem string) outcome { return outcome{problem: problem, status: http.StatusBadRequest} }

// post reads a form of the editor and the working copy that it is about. If it cannot, it shows an error and returns
// false.
func (p editorPages) post() (*working, bool) {
	if !p.readFormOf(maxEditorForm) || !p.signedIn() { // the form first, so that it can be kept

		return nil, false
	}
	w, ok := p.editable()
	if !ok {
		return nil, false
	}
	if trouble := w.noForm(); trouble != "" && len(w.Broken) == 0 {
		p.showText(http.StatusConflict, w, trouble)
		return nil, false
	}
	return w, true
}

// save saves the working copy after a form was applied to it, and leads to the next page. If it does not, it calls
// again to show the form with what was entered.
func (p editorPages) save(w *working, o outcome, again func(status int, message string)) {
	switch stale := p.value("tag") != w.Tag; {
	case o.problem != "":
		again(o.status, o.problem)
		return
	case len(w.Broken) > 0 && (stale || !p.r.PostForm.Has("overwrite")):
		again(http.StatusConflict, draftBroken)
		return
	case stale:
		again(http.StatusConflict, draftChanged)
		return
	}
	text, err := w.Def.MarshalJSON()
	if err != nil {
		again(http.StatusBadRequest, "The form contains text that is not UTF-8.")
		return
	}
	next := "/titles/" + url.PathEscape(w.ID) + cmp.Or(o.next, "/draft")
	if p.unchanged(w, text) {
		if o.next == "" {
			o.notice = "Nothing was changed."
		}
		p.redirect(next, o.notice)
		return
	}
	if _, _, err := p.api.SaveDraft(p.r.Context(), w.ID, text, w.saveOptions()); err != nil {
		r := p.refusalOf(err)
		if r.Status == http.StatusUnauthorized {
			p.askToSignIn()
			return
		}
		p.visit.retryAfter(r)
		if r.Status == http.StatusPreconditionFailed {
			r.Status, r.Message = http.StatusConflict, draftChanged
		}
		again(r.Status, r.Message)
		return
	}
	p.redirect(next, cmp.Or(o.notice, "Draft saved."))
}

// unchanged reports whether a text has what the working copy had before a form was applied to it.
func (p editorPages) unchanged(w *working, text []byte) bool {
	var before patch.Definition
	if len(w.Broken) > 0 || before.UnmarshalJSON(w.Text) != nil {
		return false
	}
	old, err := before.MarshalJSON()
	return err == nil && string(old) == string(text)
}

// check sets the failures and warnings to those of the definition as a form has changed it.
func (w *working) check(p editorPages) {
	text, err := w.Def.MarshalJSON()
	if err != nil {
		return
	}
	w.Errors = nil
	var invalid *patch.ValidationError
	if _, err := patch.Parse(text, &patch.ParseOptions{MaxBytes: -1}); errors.As(err, &invalid) {
		w.Errors = invalid.Failures
	}
	w.Warnings = patch.Lint(w.Def, &patch.LintOptions{Now: p.h.now()})
}

// change saves the form of the editor: the fields of the title, and then what the pressed button asks for.
func (p editorPages) change() {
	w, ok := p.post()
	if !ok {
		return
	}
	applyTitle(w.Def, p.r.PostForm)
	if p.value("do") == checkOnly {
		w.check(p)
		p.showEditor(http.StatusOK, w, "")
		return
	}
	versions := w.Def.Patches
	var o outcome
	if p.value("tag") == w.Tag { // otherwise the numbers of the buttons mean other versions
		o = p.changeVersions(w.Def)
	}
	p.save(w, o, func(status int, message string) {
		w.Def.Patches = versions // the numbers of the buttons are theirs
		w.check(p)
		page := newEditorPage(w)
		page.Message, page.NewVersion, page.Of = message, p.value("version"), p.value("of")
		if p.value("tag") == w.Tag {
			page.reorder(p.value("order"))
		}
		p.visit.show(status, "editor", "Edit "+w.title(), page)
	})
}

// applyTitle sets the members of a title to those of a form, apart from the versions. A list that the form does not
// have stays.
func applyTitle(d *patch.Definition, form url.Values) {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	if form.Has("name") {
		d.Name, d.Publisher = text("name"), text("publisher")
		d.AppName, d.BundleID = optional(text("app_name"), d.AppName), optional(text("bundle_id"), d.BundleID)
	}
	if form.Has("key") {
		d.ExtensionAttributes = readAttributes(form, d.ExtensionAttributes)
	}
	if form.Has("requirement_name") {
		d.Requirements = readCriteria(form, "requirement", keysOf(d), d.Requirements)
	}
}

// optional returns a text that was typed, or nil if it is empty and was not an empty text before.
func optional(s string, before *string) *string {
	if s == "" && (before == nil || *before != "") {
		return nil
	}
	return &s
}

// readCriteria returns the criteria of a list in a form. keys are those of the title's extension attributes. A
// criterion that was there before keeps what the form does not show: see likeBefore.
func readCriteria(form url.Values, list string, keys []string, before []patch.Criterion) []patch.Criterion {
	column := func(name string) []string { return form[list+"_"+name] }
	names, operators, values, joins := column("name"), column("operator"), column("value"), column("join")
	attributes, known := map[string]bool{}, map[string]bool{}
	for _, key := range keys {
		attributes[key] = true
	}
	for _, c := range before {
		known[oneLine(c.Name)] = true
	}
	all := []patch.Criterion{}
	for i := range min(len(names), len(operators), len(values), len(joins)) {
		c := patch.Criterion{
			Name:     names[i],
			Operator: operators[i],
			Value:    values[i],
			Type:     "recon",
			And:      new(joins[i] != "or"),
		}
		if strings.TrimSpace(c.Name) == "" && c.Value == "" {
			continue
		}
		if !known[c.Name] {
			c.Name = strings.TrimSpace(c.Name)
		}
		if attributes[c.Name] {
			c.Type = "extensionAttribute"
		}
		all = append(all, c)
	}
	likeBefore(all, before)
	return all
}

// likeBefore gives criteria what a form does not show of those before: members without a field, the type, and that the
// join is not written. Each criterion gets it from an equal one, or else from the first one left of the same name.
func likeBefore(criteria, before []patch.Criterion) {
	type content struct{ name, operator, value string }
	equal, named := map[content][]int{}, map[string][]int{}
	shown := func(c *patch.Criterion) content { // as a browser sends it
		return content{oneLine(c.Name), c.Operator, oneLine(c.Value)}
	}
	for i := range before {
		key := shown(&before[i])
		equal[key] = append(equal[key], i)
		named[key.name] = append(named[key.name], i)
	}
	used, done := make([]bool, len(before)), make([]bool, len(criteria))
	next := func(all []int) (int, []int) { // the first one that is not used, and the rest
		for len(all) > 0 && used[all[0]] {
			all = all[1:]
		}
		if len(all) == 0 {
			return -1, nil
		}
		return all[0], all[1:]
	}
	take := func(c *patch.Criterion, i int) {
		old := &before[i]
		used[i] = true
		c.Type, c.Extra = old.Type, old.Extra
		if *c.And && old.And == nil {
			c.And = nil
		}
	}
	for i := range criteria {
		c := &criteria[i]
		key := shown(c)
		var from int
		if from, equal[key] = next(equal[key]); from >= 0 {
			c.Name, c.Value = before[from].Name, before[from].Value
			take(c, from)
			done[i] = true
		}
	}
	for i := range criteria {
		c := &criteria[i]
		if done[i] {
			continue
		}
		var from int
		if from, named[c.Name] = next(named[c.Name]); from >= 0 {
			take(c, from)
		}
	}
}

// oneLine returns a text as a browser shows it in a field: without line ends.
func oneLine(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", "") }

// readAttributes returns the extension attributes of a form. A row in which everything was emptied removes one. An
// attribute that was there before keeps its members without a field, and its script as it was written if the form shows
// the same.
func readAttributes(form url.Values, before []patch.ExtensionAttribute) []patch.ExtensionAttribute {
	keys, names, scripts, were := form["key"], form["display_name"], form["script"], form["attribute"]
	index := make(map[string][]int, len(before))
	for i, a := range before {
		index[a.Key] = append(index[a.Key], i)
	}
	all := []patch.ExtensionAttribute{}
	for i := range min(len(keys), len(names), len(scripts)) {
		a := patch.ExtensionAttribute{
			Key:         strings.TrimSpace(keys[i]),
			DisplayName: strings.TrimSpace(names[i]),
			Value:       encodeScript(scripts[i]),
		}
		if i < len(were) && were[i] != "" {
			was := strings.TrimPrefix(were[i], "was ")
			if same := index[was]; len(same) > 0 {
				old := &before[same[0]]
				index[was] = same[1:]
				a.Extra = old.Extra
				if shown, _ := scriptText(old.Value); lines(shown) == lines(scripts[i]) && a.Key != "" {
					a.Value = old.Value
				}
			}
		}
		if a.Key == "" && a.DisplayName == "" && strings.TrimSpace(scripts[i]) == "" {
			continue
		}
		all = append(all, a)
	}
	return all
}

// lines returns a text whose lines end as those of a Unix file do.
func lines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// scriptText returns the script of an extension attribute as text. It returns false if it is not text.
func scriptText(value string) (string, bool) {
	script, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
	if err != nil || !utf8.Valid(script) || bytes.IndexByte(script, 0) >= 0 { // HTML has no way to write NUL
		return "", false
	}
	return string(script), true
}

// encodeScript returns a script that was typed as the value of an extension attribute.
func encodeScript(script string) string {
	return base64.StdEncoding.EncodeToString([]byte(lines(script)))
}

// changeVersions changes the versions: to the order that they were dragged to, and then as the pressed button says.
func (p editorPages) changeVersions(d *patch.Definition) outcome {
	d.Patches = slices.Clone(d.Patches)
	place, problem := orderVersions(d, p.value("order"))
	if problem != "" {
		return refuse(problem)
	}
	action, number, _ := strings.Cut(p.value("do"), " ")
	switch action {
	case "", "save":
		return outcome{}
	case "add":
		return p.addVersion(d, p.value("of"))
	case "publish", "json":
		return outcome{next: "/draft/" + action}
	case "try":
		return outcome{next: "/try"}
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(place) {
		return refuse(unreadable)
	}
	i = place[i]
	v := &d.Patches[i]
	switch action {
	case "edit":
		return outcome{next: "/draft/versions/" + strconv.Itoa(i)}
	case "clone":
		return p.addVersion(d, v.Version)
	case "up":
		return moveVersion(d, i, i-1)
	case "down":
		return moveVersion(d, i, i+1)
	case "toggle":
		v.Disabled = !v.Disabled
		return outcome{next: toVersions}
	case "remove":
		version := v.Version
		d.Patches = slices.Delete(d.Patches, i, i+1)
		return outcome{next: toVersions, notice: "Version " + version + " removed from the draft."}
	}
	return refuse(unreadable)
}

// addVersion adds the version that was typed, as a copy of another one, or of the newest if of is empty, at its place
// by version order.
func (p editorPages) addVersion(d *patch.Definition, of string) outcome {
	version := p.value("version")
	switch {
	case version == "":
		return refuse("Type the number of the new version first.")
	case d.FindPatch(version) >= 0:
		return refuse("The title has the version " + version + " already.")
	}
	next := patch.Patch{
		Version:      version,
		ReleaseDate:  patch.FormatTime(p.h.now()),
		Standalone:   true,
		KillApps:     []patch.KillApp{},
		Components:   []patch.Component{},
		Capabilities: []patch.Criterion{},
	}
	if i := d.FindPatch(of); i >= 0 {
		next = d.Patches[i].NextVersion(version, p.h.now())
	} else if len(d.Patches) > 0 {
		next = d.Patches[0].NextVersion(version, p.h.now())
	}
	if err := d.AddPatches(patch.Ordered(), p.h.now(), next); err != nil {
		return refuse(sentence(capital(err.Error())))
	}
	return outcome{next: toVersions, notice: "Version " + version + " added to the draft."}
}

// moveVersion moves a version to another index. It changes d.Patches in place.
func moveVersion(d *patch.Definition, from, to int) outcome {
	if to >= 0 && to < len(d.Patches) {
		d.Patches[from], d.Patches[to] = d.Patches[to], d.Patches[from]
	}
	return outcome{next: toVersions}
}

// orderVersions puts the versions into the order of their former indices, and returns the new index of each. An empty
// order leaves them as they are.
func orderVersions(d *patch.Definition, order string) (place []int, problem string) {
	place = make([]int, len(d.Patches))
	for i := range place {
		place[i] = i
	}
	if order == "" {
		return place, ""
	}
	all := make([]patch.Patch, 0, len(d.Patches))
	seen := make([]bool, len(d.Patches))
	for text := range strings.FieldsSeq(order) {
		i, err := strconv.Atoi(text)
		if err != nil || i < 0 || i >= len(d.Patches) || seen[i] {
			return nil, unreadable
		}
		seen[i], place[i] = true, len(all)
		all = append(all, d.Patches[i])
	}
	if len(all) != len(d.Patches) {
		return nil, unreadable
	}
	d.Patches = all
	return place, ""
}
