package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// An editorVersionPage is the page of a version in the editor.
type editorVersionPage struct {
	*working
	Index   int
	Message string
	fieldErrors
	Others []patch.Failure

	// Was is the number that the version has in the draft.
	Was                          string
	Version, OS, Released, At    string
	NoDate                       bool // Released is no date
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
		Was:          v.Version,
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
	_, err := time.Parse(time.DateOnly, p.Released)
	p.NoDate = err != nil && p.Released != ""
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
		at + "/components/0/name", at + "/components/0/version", at + "/components/0/criteria", at + "/capabilities",
		at + "/killApps",
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
	if day, at := splitTime(v.ReleaseDate); day != value("released") || at != value("released_at") {
		v.ReleaseDate = releaseDate(value("released"), value("released_at"))
	}
	v.MinimumOperatingSystem = value("os")
	v.Standalone, v.Reboot = form.Get("standalone") != "", form.Get("reboot") != ""
	v.KillApps = readKillApps(form, v.KillApps)
	v.Components = readComponent(form, keys, v, before)
	v.Capabilities = readCriteria(form, "capability", keys, v.Capabilities)
}

// readKillApps returns the kill apps of a form. One that was there before keeps its members without a field, and so
// does one of which only the name or only the bundle ID was changed.
func readKillApps(form url.Values, before []patch.KillApp) []patch.KillApp {
	names, bundles := form["app_name"], form["app_bundle"]
	apps := []patch.KillApp{}
	for i := range min(len(names), len(bundles)) {
		k := patch.KillApp{AppName: strings.TrimSpace(names[i]), BundleID: strings.TrimSpace(bundles[i])}
		if k.AppName != "" || k.BundleID != "" {
			apps = append(apps, k)
		}
	}
	used, done := make([]bool, len(before)), make([]bool, len(apps))
	// The first round finds the kill apps that have not changed.
	for _, key := range []func(patch.KillApp) string{
		func(k patch.KillApp) string { return k.BundleID + "\n" + k.AppName },
		func(k patch.KillApp) string { return k.BundleID },
		func(k patch.KillApp) string { return k.AppName },
	} {
		left := map[string][]int{}
		for i, old := range before {
			if k := key(old); k != "" && !used[i] {
				left[k] = append(left[k], i)
			}
		}
		for i := range apps {
			if same := left[key(apps[i])]; len(same) > 0 && !done[i] {
				apps[i].Extra = before[same[0]].Extra
				used[same[0]], done[i] = true, true
				left[key(apps[i])] = same[1:]
			}
		}
	}
	return apps
}

// readComponent returns the components of a version, of which a form shows the first. It is removed if the form has
// neither a name nor criteria for it. before is the number that the version had.
func readComponent(form url.Values, keys []string, v *patch.Patch, before string) []patch.Component {
	var c patch.Component
	var others []patch.Component
	if len(v.Components) > 0 {
		c, others = v.Components[0], v.Components[1:]
	}
	c.Name = strings.TrimSpace(form.Get("component"))
	c.Criteria = readCriteria(form, "criterion", keys, c.Criteria)
	if c.Version == before || c.Version == "" {
		c.Version = v.Version
	}
	if c.Name == "" && len(c.Criteria) == 0 {
		return append([]patch.Component{}, others...)
	}
	return append([]patch.Component{c}, others...)
}

// versionForm shows a version.
func (p editorPages) versionForm() {
	w, ok := p.editable()
	if !ok {
		return
	}
	i, err := strconv.Atoi(p.r.PathValue("n"))
	switch trouble := w.noForm(); {
	case err != nil || i < 0 || i >= len(w.Def.Patches):
		p.fail(http.StatusNotFound, "The draft has no such version. It may have been removed.")
	case trouble != "":
		p.showText(http.StatusOK, w, trouble)
	default:
		p.showVersion(http.StatusOK, newEditorVersionPage(w, i))
	}
}

func (p editorPages) showVersion(status int, page *editorVersionPage) {
	p.visit.show(status, "editversion", "Edit version "+page.Version+" of "+page.title(), page)
}

// saveVersion saves a version. The form names the version that it began with, which may have moved since, or may have
// been removed: it is added again then.
func (p editorPages) saveVersion() {
	w, ok := p.post()
	if !ok {
		return
	}
	d, form := w.Def, p.r.PostForm
	i, found := findVersion(d, p.r.PathValue("n"), form.Get("was"))
	if !found {
		var v patch.Patch
		readVersion(&v, form, keysOf(d))
		if d.AddPatches(patch.Ordered(), p.h.now(), v) != nil {
			d.Patches = append([]patch.Patch{v}, d.Patches...)
		}
		i = max(d.FindPatch(v.Version), 0)
	} else {
		readVersion(&d.Patches[i], form, keysOf(d))
	}
	if p.value("do") == checkOnly {
		w.check(p)
		p.showVersion(http.StatusOK, newEditorVersionPage(w, i))
		return
	}
	o := outcome{next: toVersions, notice: "Version " + d.Patches[i].Version + " saved in the draft."}
	if other := d.FindPatch(d.Patches[i].Version); d.Patches[i].Version != "" && other != i {
		o = refuse("The title has this version already: choose another, or edit that one.")
	}
	p.save(w, o, func(status int, message string) {
		if !found && status == http.StatusConflict {
			message = "The version has been removed since you opened this page, so nothing was saved. " +
				"What you entered is still here: save again to add the version again."
		}
		w.check(p)
		page := newEditorVersionPage(w, i)
		page.Message = message
		if found {
			page.Was = form.Get("was")
		}
		p.showVersion(status, page)
	})
}

// findVersion returns the index of a version: the one of a form if it has not moved since.
func findVersion(d *patch.Definition, index, version string) (int, bool) {
	i, err := strconv.Atoi(index)
	if err == nil && i >= 0 && i < len(d.Patches) && d.Patches[i].Version == version {
		return i, true
	}
	i = slices.IndexFunc(d.Patches, func(p patch.Patch) bool { return p.Version == version })
	return i, i >= 0
}
