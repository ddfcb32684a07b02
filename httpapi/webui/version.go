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
var operators = []string{
	"is",
	"is not",
	"like",
	"not like",
	"has",
	"does not have",
	"greater than",
	"less than",
	"greater than or equal",
	"less than or equal",
	"more than",
	"matches regex",
	"does not match regex",
}

// facts are the names of what Jamf Pro's inventory knows and definitions ask for.
var facts = []string{
	"Application Bundle ID",
	"Application Title",
	"Application Version",
	"Architecture Type",
	"Operating System",
	"Operating System Build",
	"Operating System Version",
	"Platform",
	"Processor Type",
	"Total RAM MB",
}

// A versionPage is the form for a new version. It begins with what the newest one has.
type versionPage struct {
	Title
	// Base is the version that the form began with.
	Base, BaseOS           string
	Version, OS            string
	Released, At           string // the day, and the time in UTC, empty if only the day is known
	Standalone, Reboot     bool
	Front                  bool // not where version order says
	Component              string
	Components             int // of the version that the form began with
	Apps                   []appRow
	Criteria, Capabilities []criterionRow

	Operators, Facts, Keys []string
	Message                string
	failures                               // of fields
	Others                 []patch.Failure // that have no field
	Results                []result        // of files
	Text                   string          // JSON to be corrected
}

// An appRow is an application that has to quit.
type appRow struct{ Path, Name, Bundle string }

// A criterionRow is a row of criteria.
type criterionRow struct {
	Path, Name, Operator, Value string
	Or                          bool
	// Follows says that the value is that of the version, or system, that the form began
	// with, and is to be the new one.
	Follows bool
}

// failures are what is wrong with the fields of a form, by their paths.
type failures map[string]string

// A fault is what is wrong with a field.
type fault struct{ ID, Message string }

// Fault is what is wrong with the field of a path, nil if nothing is.
func (f failures) Fault(path string) *fault {
	if message, ok := f[path]; ok {
		return &fault{ID: "fault" + strings.ReplaceAll(path, "/", "-"), Message: message}
	}
	return nil
}

// newVersionPage returns a form that has what is the same for all forms of a title.
func (v *visit) newVersionPage(t Title, def *patch.Definition) *versionPage {
	p := &versionPage{
		Title:      t,
		Base:       def.Patches[0].Version,
		BaseOS:     def.Patches[0].MinimumOperatingSystem,
		Components: len(def.Patches[0].Components),
		Operators:  operators,
		Facts:      facts,
		failures:   failures{},
	}
	for _, ea := range def.ExtensionAttributes {
		p.Keys = append(p.Keys, ea.Key)
	}
	return p
}

// startFrom fills the form with what a version has.
func (p *versionPage) startFrom(b *patch.Patch, now time.Time) {
	p.Released, p.OS, p.Standalone, p.Reboot = now.UTC().
		Format("2006-01-02"),
		b.MinimumOperatingSystem, b.Standalone, b.Reboot
	for _, k := range b.KillApps {
		p.Apps = append(p.Apps, appRow{Name: k.AppName, Bundle: k.BundleID})
	}
	rows := func(criteria []patch.Criterion, follows func(*patch.Criterion) bool) (all []criterionRow) {
		for _, c := range criteria {
			all = append(
				all,
				criterionRow{
					Name:     c.Name,
					Operator: c.Operator,
					Value:    c.Value,
					Or:       c.And != nil && !*c.And,
					Follows:  follows(&c),
				},
			)
		}
		return all
	}
	p.Capabilities = rows(b.Capabilities, func(c *patch.Criterion) bool {
		return c.Name == "Operating System Version" && c.Value == b.MinimumOperatingSystem && c.Value != ""
	})
	if len(b.Components) > 0 {
		p.Component = b.Components[0].Name
		p.Criteria = rows(b.Components[0].Criteria, func(c *patch.Criterion) bool {
			return (c.Name == "Application Version" || slices.Contains(p.Keys, c.Name)) && c.Value == b.Version
		})
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
	if !v.signedIn() {
		return
	}
	files, ok := v.uploaded(maxUpload)
	if !ok {
		return
	}
	t, def, ok := v.mine()
	if !ok {
		return
	}
	p := v.newVersionPage(t, def)
	if v.value("form") == "json" {
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
	if a.ok() {
		v.added(a, t)
		return
	}
	p.Message = a.Message
	p.spare()
	fields := p.fields()
	for _, e := range a.Errors {
		if slices.Contains(fields, e.Path) {
			p.failures[e.Path] = e.Message
		} else {
			p.Others = append(p.Others, e)
		}
	}
	if a.status == http.StatusConflict {
		p.failures["/version"] = "this version is there already"
	}
	v.again(a, "version", "Add a version to "+t.Name, p)
}

// currentOlder is the code of the API's warning that a change has made a title's current version
// older than it was.
const currentOlder = "current-version-older"

// added leads to a title's page after versions were added. The page itself shows what lint finds;
// it is told here what only the change could show.
func (v *visit) added(a *answer, t Title) {
	for _, w := range a.Warnings {
		if w.Code == currentOlder {
			a.Message = strings.TrimSpace(sentence(a.Message) + " " + sentence(w.Message) + " " + sentence(w.Fix))
		}
	}
	v.done(a, titleURL(t))
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

// readVersion makes a version of the form, which it puts into p as well, to be shown
// again. What follows the version, or the system, that the form began with becomes the new
// one; in p it stays as it was, so that another try begins with the same.
func (v *visit) readVersion(p *versionPage) *patch.Patch {
	form := v.r.PostForm
	p.Version, p.OS, p.Component = v.value("version"), v.value("os"), v.value("component")
	p.Released, p.At = v.value("released"), v.value("released_at")
	p.Standalone, p.Reboot, p.Front = form.Has("standalone"), form.Has("reboot"), v.value("place") == "front"
	p.Base, p.BaseOS = form.Get("base"), form.Get("base_os")
	made := &patch.Patch{
		Version:                p.Version,
		ReleaseDate:            releaseDate(p.Released, p.At),
		Standalone:             p.Standalone,
		Reboot:                 p.Reboot,
		MinimumOperatingSystem: p.OS,
		KillApps:               []patch.KillApp{},
		Components:             []patch.Component{},
		Capabilities:           []patch.Criterion{},
	}
	names, bundles := form["app_name"], form["app_bundle"]
	for i := range min(len(names), len(bundles)) {
		if a := (appRow{Name: strings.TrimSpace(names[i]), Bundle: strings.TrimSpace(bundles[i])}); a.Name != "" ||
			a.Bundle != "" {
			p.Apps = append(p.Apps, a)
			made.KillApps = append(made.KillApps, patch.KillApp{AppName: a.Name, BundleID: a.Bundle})
		}
	}
	var criteria []patch.Criterion
	p.Criteria, criteria = v.readCriteria(p, "criterion", p.Base, p.Version)
	p.Capabilities, made.Capabilities = v.readCriteria(p, "capability", p.BaseOS, p.OS)
	if p.Component != "" || len(criteria) > 0 {
		made.Components = append(
			made.Components,
			patch.Component{Name: p.Component, Version: p.Version, Criteria: criteria},
		)
	}
	return made
}

// releaseDate returns the release date that a day and a time of a form make: midnight if there
// is no time. What is no day or no time is returned as it is, for the API to refuse.
func releaseDate(day, at string) string {
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return strings.TrimSpace(day + " " + at)
	}
	switch len(at) {
	case 0:
		at = "00:00:00"
	case len("15:04"):
		at += ":00"
	}
	return day + "T" + at + "Z"
}

// readCriteria reads the rows of a list of criteria, as they are to be shown again and as
// they are meant; those that are empty do not count. In rows that follow, was becomes
// now.
func (v *visit) readCriteria(p *versionPage, list, was, now string) (rows []criterionRow, criteria []patch.Criterion) {
	form := v.r.PostForm
	names, operators, values, joins, follows := form[list+"_name"], form[list+"_operator"], form[list+"_value"], form[list+"_join"], form[list+"_follows"]
	criteria = []patch.Criterion{}
	for i := range min(len(names), len(operators), len(values), len(joins), len(follows)) {
		r := criterionRow{
			Name:     strings.TrimSpace(names[i]),
			Operator: operators[i],
			Value:    values[i],
			Or:       joins[i] == "or",
			Follows:  follows[i] != "",
		}
		if r.Name == "" && r.Value == "" {
			continue
		}
		and := !r.Or
		c := patch.Criterion{Name: r.Name, Operator: r.Operator, Value: r.Value, Type: "recon", And: &and}
		if slices.Contains(p.Keys, r.Name) {
			c.Type = "extensionAttribute"
		}
		// A script has brought it up to date already, or there was none.
		if r.Follows && now != "" && (r.Value == was || r.Value == now) {
			c.Value, r.Value = now, was
		}
		rows, criteria = append(rows, r), append(criteria, c)
	}
	return rows, criteria
}
