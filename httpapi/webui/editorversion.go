package webui

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch"
)

// scriptText returns the script of an extension attribute as text. It is empty if it is not text.
func scriptText(value string) string {
	script, err := base64.StdEncoding.DecodeString(value)
	if err != nil || !utf8.Valid(script) {
		return ""
	}
	return string(script)
}

// encodeScript returns a script that was typed as the value of an extension attribute.
func encodeScript(script string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(script, "\r\n", "\n")))
}

// An editorVersionPage is the page of a version in the editor.
type editorVersionPage struct {
	*working
	Index   int
	Message string
	fieldErrors
	Others []patch.Failure

	Version, OS, Released, At    string
	Disabled, Standalone, Reboot bool
	Component                    string
	Components                   int
	Apps                         []appRow
	Criteria, Capabilities       []criterionRow

	Operators, Names, Keys []string
}

// newEditorVersionPage returns the page of the version at an index of a working copy.
func newEditorVersionPage(w *working, index int) *editorVersionPage {
	v := &w.Def.Patches[index]
	at := "/patches/" + strconv.Itoa(index)
	p := &editorVersionPage{
		working:      w,
		Index:        index,
		fieldErrors:  fieldErrors{},
		Version:      v.Version,
		OS:           v.MinimumOperatingSystem,
		Disabled:     v.Disabled,
		Standalone:   v.Standalone,
		Reboot:       v.Reboot,
		Components:   len(v.Components),
		Capabilities: criterionRows(v.Capabilities, at+"/capabilities", 1),
		Operators:    operators,
		Names:        patch.CriterionNames(),
		Keys:         keysOf(w.Def),
	}
	p.Released, p.At = splitTime(v.ReleaseDate)
	for _, k := range v.KillApps {
		p.Apps = append(p.Apps, appRow{Name: k.AppName, Bundle: k.BundleID})
	}
	p.Apps = append(p.Apps, appRow{})
	for i := range p.Apps {
		p.Apps[i].Path = at + "/killApps/" + strconv.Itoa(i)
	}
	var criteria []patch.Criterion
	if len(v.Components) > 0 {
		p.Component, criteria = v.Components[0].Name, v.Components[0].Criteria
	}
	p.Criteria = criterionRows(criteria, at+"/components/0/criteria", 1)
	p.takeErrors(at)
	return p
}

// splitTime returns the day and the time of a release date. The time is empty for midnight; text that is not a time is
// returned as the day.
func splitTime(s string) (day, at string) {
	t, err := patch.ParseTime(s)
	if err != nil {
		return s, ""
	}
	t = t.UTC()
	if at = t.Format(time.TimeOnly); at == "00:00:00" {
		at = ""
	}
	return t.Format(time.DateOnly), at
}

// takeErrors takes the failures and warnings of the version, whose path is at, to their fields.
func (p *editorVersionPage) takeErrors(at string) {
	paths := []string{
		at + "/version", at + "/releaseDate", at + "/minimumOperatingSystem", at + "/components",
		at + "/components/0/name", at + "/components/0/criteria", at + "/capabilities", at + "/killApps",
	}
	for _, rows := range [][]criterionRow{p.Criteria, p.Capabilities} {
		for _, r := range rows {
			paths = append(paths, r.Path+"/name", r.Path+"/operator", r.Path+"/value", r.Path+"/and", r.Path+"/type")
		}
	}
	for _, r := range p.Apps {
		paths = append(paths, r.Path+"/appName", r.Path+"/bundleId")
	}
	own := slices.DeleteFunc(slices.Clone(p.working.Errors), func(f patch.Failure) bool {
		return f.Path != at && !strings.HasPrefix(f.Path, at+"/")
	})
	p.Others = p.take(own, paths...)
	for _, w := range p.working.Warnings {
		switch {
		case w.Path != at && !strings.HasPrefix(w.Path, at+"/"):
		case slices.Contains(paths, w.Path) && p.fieldErrors[w.Path] == "":
			p.fieldErrors[w.Path] = w.Message
		case !slices.Contains(paths, w.Path):
			p.Others = append(p.Others, patch.Failure{Path: w.Path, Message: w.Message})
		}
	}
}

// read sets a version from a form. keys are those of the title's extension attributes. Components beyond the first
// stay.
func readVersion(v *patch.Patch, form url.Values, keys []string) {
	value := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	before := v.Version
	v.Version = value("version")
	v.Disabled = form.Get("enabled") == ""
	v.ReleaseDate = releaseDate(value("released"), value("released_at"))
	v.MinimumOperatingSystem = value("os")
	v.Standalone, v.Reboot = form.Get("standalone") != "", form.Get("reboot") != ""
	names, bundles := form["app_name"], form["app_bundle"]
	apps := []patch.KillApp{}
	for i := range min(len(names), len(bundles)) {
		k := patch.KillApp{AppName: strings.TrimSpace(names[i]), BundleID: strings.TrimSpace(bundles[i])}
		if k.AppName == "" && k.BundleID == "" {
			continue
		}
		if i < len(v.KillApps) {
			k.Extra = v.KillApps[i].Extra
		}
		apps = append(apps, k)
	}
	v.KillApps = apps
	var component patch.Component
	if len(v.Components) > 0 {
		component = v.Components[0]
	}
	component.Name = value("component")
	component.Criteria = readCriteria(form, "criterion", keys, component.Criteria)
	if component.Version == before || component.Version == "" {
		component.Version = v.Version
	}
	switch {
	case len(v.Components) > 0:
		v.Components = slices.Clone(v.Components)
		v.Components[0] = component
	case component.Name != "" || len(component.Criteria) > 0:
		v.Components = []patch.Component{component}
	}
	v.Capabilities = readCriteria(form, "capability", keys, v.Capabilities)
}

// version returns the working copy, and the index of the version in the path. If it cannot, it shows an error and
// returns false.
func (p editorPages) version() (w *working, index int, ok bool) {
	if w, ok = p.working(); !ok {
		return nil, 0, false
	}
	index, err := strconv.Atoi(p.r.PathValue("n"))
	if err != nil || index < 0 || index >= len(w.Def.Patches) {
		p.fail(http.StatusNotFound, "The draft has no such version. It may have been removed.")
		return nil, 0, false
	}
	return w, index, true
}

// versionForm shows a version.
func (p editorPages) versionForm() {
	if w, i, ok := p.version(); ok {
		if trouble := w.noForm(); trouble != "" {
			p.showText(http.StatusOK, w, trouble)
			return
		}
		p.showVersion(http.StatusOK, w, i, "")
	}
}

func (p editorPages) showVersion(status int, w *working, index int, message string) {
	page := newEditorVersionPage(w, index)
	page.Message = message
	p.visit.show(status, "editversion", "Edit version "+page.Version+" of "+w.title(), page)
}

// saveVersion saves a version.
func (p editorPages) saveVersion() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	w, i, ok := p.version()
	if !ok {
		return
	}
	again := func(w *working, message string) { p.showVersion(http.StatusConflict, w, i, message) }
	p.save(w, func(d *patch.Definition) string {
		if other := d.FindPatch(p.value("version")); other >= 0 && other != i {
			readVersion(&d.Patches[i], p.r.PostForm, keysOf(d))
			return "The title has this version already: choose another, or edit that one."
		}
		readVersion(&d.Patches[i], p.r.PostForm, keysOf(d))
		return ""
	}, draftURL(w.ID)+"#versions", "Version saved in the draft.", again)
}

// changeVersions adds, clones, moves, disables or removes versions, by the button that was pressed.
func (p editorPages) changeVersions() {
	p.section("Versions changed in the draft.", func(d *patch.Definition) string {
		action, text, _ := strings.Cut(p.value("do"), " ")
		i, err := strconv.Atoi(text)
		if action != "add" && action != "order" && (err != nil || i < 0 || i >= len(d.Patches)) {
			return "The draft has no such version. It may have been removed."
		}
		switch action {
		case "add":
			return p.addVersion(d, "")
		case "clone":
			return p.addVersion(d, d.Patches[i].Version)
		case "up":
			return moveVersion(d, i, i-1)
		case "down":
			return moveVersion(d, i, i+1)
		case "order":
			return orderVersions(d, p.r.PostForm["order"])
		case "toggle":
			d.Patches[i].Disabled = !d.Patches[i].Disabled
			return ""
		case "remove":
			d.Patches = slices.Delete(slices.Clone(d.Patches), i, i+1)
			return ""
		}
		return "The form cannot be read. Open the page again and try once more."
	})
}

// addVersion adds the version that was typed, as a copy of another one, or of the newest if of is empty, at its place
// by version order.
func (p editorPages) addVersion(d *patch.Definition, of string) string {
	version := p.value("version")
	if of == "" {
		of = p.value("of")
	}
	switch {
	case version == "":
		return "Type the new version first."
	case d.FindPatch(version) >= 0:
		return "The title has this version already."
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
		return sentence(capital(err.Error()))
	}
	return ""
}

// moveVersion moves a version to another index.
func moveVersion(d *patch.Definition, from, to int) string {
	if to < 0 || to >= len(d.Patches) {
		return ""
	}
	d.Patches = slices.Clone(d.Patches)
	d.Patches[from], d.Patches[to] = d.Patches[to], d.Patches[from]
	return ""
}

// orderVersions puts the versions into the order of their former indices.
func orderVersions(d *patch.Definition, order []string) string {
	all := make([]patch.Patch, 0, len(order))
	seen := map[int]bool{}
	for _, text := range order {
		i, err := strconv.Atoi(text)
		if err != nil || i < 0 || i >= len(d.Patches) || seen[i] {
			break
		}
		seen[i] = true
		all = append(all, d.Patches[i])
	}
	if len(all) != len(d.Patches) {
		return "The versions have changed meanwhile, so they were not moved."
	}
	d.Patches = all
	return ""
}
