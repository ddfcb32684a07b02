package webui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// spareRows is how many empty rows a list in the form has.
const spareRows = 2

// operators are all that Jamf Pro offers for any criterion; lint says which of them is
// not for which.
var operators = []string{"is", "is not", "like", "not like", "has", "does not have", "greater than", "less than", "greater than or equal", "less than or equal", "more than", "matches regex", "does not match regex"}

// facts are the names of what Jamf Pro's inventory knows and definitions ask for.
var facts = []string{"Application Bundle ID", "Application Title", "Application Version", "Architecture Type", "Operating System", "Operating System Build", "Operating System Version", "Platform", "Processor Type", "Total RAM MB"}

// A versionPage is the form for a new version. It begins with what the newest one has.
type versionPage struct {
	Title
	// Base is the version that the form began with.
	Base, BaseOS           string
	Version, Released, OS  string
	Standalone, Reboot     bool
	Front                  bool // not where version order says
	Component              string
	Components             int // of the version that the form began with
	Apps                   []appRow
	Criteria, Capabilities []criterionRow

	Operators, Facts, Keys []string
	Message                string
	Failures               map[string]string // by path
	Others                 []patch.Failure   // that have no field
	Results                []result          // of files
	Text                   string            // JSON to be corrected
}

// An appRow is an application that has to quit.
type appRow struct{ Path, Name, Bundle string }

// A criterionRow is a row of criteria.
type criterionRow struct {
	Path, Name, Operator, Value string
	Or                          bool
}

// Fault is what is wrong with a field.
func (p *versionPage) Fault(path string) string { return p.Failures[path] }

// newVersionPage returns a form that has what is the same for all forms of a title.
func (v *visit) newVersionPage(t Title, def *patch.Definition) *versionPage {
	p := &versionPage{Title: t, Base: def.Patches[0].Version, BaseOS: def.Patches[0].MinimumOperatingSystem, Components: len(def.Patches[0].Components), Operators: operators, Facts: facts, Failures: map[string]string{}}
	for _, ea := range def.ExtensionAttributes {
		p.Keys = append(p.Keys, ea.Key)
	}
	return p
}

// startFrom fills the form with what a version has.
func (p *versionPage) startFrom(b *patch.Patch, now time.Time) {
	p.Released, p.OS, p.Standalone, p.Reboot = now.UTC().Format("2006-01-02"), b.MinimumOperatingSystem, b.Standalone, b.Reboot
	for _, k := range b.KillApps {
		p.Apps = append(p.Apps, appRow{Name: k.AppName, Bundle: k.BundleID})
	}
	rows := func(criteria []patch.Criterion) (all []criterionRow) {
		for _, c := range criteria {
			all = append(all, criterionRow{Name: c.Name, Operator: c.Operator, Value: c.Value, Or: c.And != nil && !*c.And})
		}
		return all
	}
	p.Capabilities = rows(b.Capabilities)
	if len(b.Components) > 0 {
		p.Component, p.Criteria = b.Components[0].Name, rows(b.Components[0].Criteria)
	}
	p.spare()
}

// spare adds empty rows, and says where each row stands in the version's JSON.
func (p *versionPage) spare() {
	for range spareRows {
		p.Apps = append(p.Apps, appRow{})
		p.Criteria = append(p.Criteria, criterionRow{Operator: "is"})
		p.Capabilities = append(p.Capabilities, criterionRow{Operator: "is"})
	}
	for i := range p.Apps {
		p.Apps[i].Path = "/killApps/" + strconv.Itoa(i)
	}
	for i := range p.Criteria {
		p.Criteria[i].Path = "/components/0/criteria/" + strconv.Itoa(i)
	}
	for i := range p.Capabilities {
		p.Capabilities[i].Path = "/capabilities/" + strconv.Itoa(i)
	}
}

func (v *visit) versionForm() {
	t, def, ok := v.mine()
	if !ok {
		return
	}
	p := v.newVersionPage(t, def)
	p.startFrom(&def.Patches[0], v.h.now())
	v.show(http.StatusOK, "version", "Add a version to "+t.Name, p)
}

// addVersion adds the version that the form has, or those in files.
func (v *visit) addVersion() {
	t, def, ok := v.mine()
	if !ok {
		return
	}
	files, ok := v.uploaded(maxUpload)
	if !ok {
		return
	}
	p := v.newVersionPage(t, def)
	if len(files) > 0 {
		p.startFrom(&def.Patches[0], v.h.now())
		v.addFiles(t, files, p)
		return
	}
	made := v.readVersion(p)
	body, err := made.MarshalJSON()
	if err != nil {
		v.fail(http.StatusBadRequest, "The form cannot be read: it has text that is not UTF-8.")
		return
	}
	target := titlePath(t.ID, "/versions")
	if !p.Front {
		target += "?insert=ordered"
	}
	a := v.ask("POST", target, body, "Content-Type", "application/json")
	if a.ok() || a.status == http.StatusUnauthorized {
		v.done(a, titleURL(t))
		return
	}
	p.Message = a.Message
	p.spare()
	fields := p.fields()
	for _, e := range a.Errors {
		if slices.Contains(fields, e.Path) {
			p.Failures[e.Path] = e.Message
		} else {
			p.Others = append(p.Others, e)
		}
	}
	if a.status == http.StatusConflict {
		p.Failures["/version"] = "this version is there already"
	}
	v.show(a.status, "version", "Add a version to "+t.Name, p)
}

// fields are the paths that have a field in the form.
func (p *versionPage) fields() []string {
	all := []string{"/version", "/releaseDate", "/minimumOperatingSystem", "/components/0/name"}
	for _, r := range p.Apps {
		all = append(all, r.Path+"/appName", r.Path+"/bundleId")
	}
	for _, r := range slices.Concat(p.Criteria, p.Capabilities) {
		all = append(all, r.Path+"/name", r.Path+"/operator", r.Path+"/value")
	}
	return all
}

// readVersion makes a version of the form, which it puts into p as well. What says the
// version, or the system, that the form began with says the new one, if it was not
// changed.
func (v *visit) readVersion(p *versionPage) *patch.Patch {
	form := v.r.PostForm
	p.Version, p.Released, p.OS, p.Component = v.value("version"), v.value("released"), v.value("os"), v.value("component")
	p.Standalone, p.Reboot, p.Front = form.Has("standalone"), form.Has("reboot"), v.value("place") == "front"
	base, baseOS := form.Get("base"), form.Get("base_os")
	made := &patch.Patch{Version: p.Version, ReleaseDate: p.Released, Standalone: p.Standalone, Reboot: p.Reboot, MinimumOperatingSystem: p.OS, KillApps: []patch.KillApp{}, Components: []patch.Component{}, Capabilities: []patch.Criterion{}}
	if _, err := time.Parse("2006-01-02", p.Released); err == nil {
		made.ReleaseDate += "T00:00:00Z"
	}
	names, bundles := form["app_name"], form["app_bundle"]
	for i := range min(len(names), len(bundles)) {
		if a := (appRow{Name: strings.TrimSpace(names[i]), Bundle: strings.TrimSpace(bundles[i])}); a.Name != "" || a.Bundle != "" {
			p.Apps = append(p.Apps, a)
			made.KillApps = append(made.KillApps, patch.KillApp{AppName: a.Name, BundleID: a.Bundle})
		}
	}
	p.Criteria = v.readCriteria("criterion", func(r *criterionRow) {
		if r.Value == base && base != "" && (r.Name == "Application Version" || slices.Contains(p.Keys, r.Name)) {
			r.Value = p.Version
		}
	})
	p.Capabilities = v.readCriteria("capability", func(r *criterionRow) {
		if r.Value == baseOS && baseOS != "" && r.Name == "Operating System Version" {
			r.Value = p.OS
		}
	})
	if p.Component != "" || len(p.Criteria) > 0 {
		made.Components = append(made.Components, patch.Component{Name: p.Component, Version: p.Version, Criteria: p.criteria(p.Criteria)})
	}
	made.Capabilities = p.criteria(p.Capabilities)
	return made
}

// readCriteria reads the rows of a list of criteria; those that are empty do not count.
func (v *visit) readCriteria(name string, adapt func(*criterionRow)) (rows []criterionRow) {
	form := v.r.PostForm
	names, operators, values, joins := form[name+"_name"], form[name+"_operator"], form[name+"_value"], form[name+"_join"]
	for i := range min(len(names), len(operators), len(values), len(joins)) {
		r := criterionRow{Name: strings.TrimSpace(names[i]), Operator: operators[i], Value: values[i], Or: joins[i] == "or"}
		if r.Name != "" || r.Value != "" {
			adapt(&r)
			rows = append(rows, r)
		}
	}
	return rows
}

// criteria makes criteria of rows.
func (p *versionPage) criteria(rows []criterionRow) []patch.Criterion {
	all := []patch.Criterion{}
	for _, r := range rows {
		and := !r.Or
		c := patch.Criterion{Name: r.Name, Operator: r.Operator, Value: r.Value, Type: "recon", And: &and}
		if slices.Contains(p.Keys, r.Name) {
			c.Type = "extensionAttribute"
		}
		all = append(all, c)
	}
	return all
}
