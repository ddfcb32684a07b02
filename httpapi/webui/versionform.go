package webui

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// spareRows is the number of empty rows at the end of a list in the form.
const spareRows = 2

// operators are the operators that Jamf Pro offers for any criterion. Lint knows which ones a criterion supports.
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

// A versionForm is the form for a new version. It begins with the fields of the newest version.
type versionForm struct {
	Title
	// Base is the version that the form began with, BaseOS its minimum operating system.
	Base, BaseOS string
	Version, OS  string
	// Released is the day, and At the time in UTC, which is empty if only the day is known.
	Released, At       string
	Standalone, Reboot bool
	// Front places the version in front. If false, version order places it.
	Front     bool
	Component string
	// Components counts the components of the version that the form began with.
	Components             int
	Apps                   []appRow
	Criteria, Capabilities []criterionRow

	Operators, Names, Keys []string
	Message                string
	fieldErrors
	Others  []patch.Failure // those that belong to no field
	Results []result        // of files
	Text    string          // JSON to be corrected
}

// An appRow is a row of the kill apps.
type appRow struct{ Path, Name, Bundle string }

// A criterionRow is a row of criteria.
type criterionRow struct {
	Path, Name, Operator, Value string
	Or                          bool
	// Follows says that the value is the version, or the operating system, that the form began with, so that it becomes
	// the new one.
	Follows bool
}

// newVersionForm returns a form with what all forms of a title have.
func newVersionForm(t Title, def *patch.Definition) *versionForm {
	f := &versionForm{
		Title:       t,
		Base:        def.Patches[0].Version,
		BaseOS:      def.Patches[0].MinimumOperatingSystem,
		Components:  len(def.Patches[0].Components),
		Operators:   operators,
		Names:       patch.CriterionNames(),
		fieldErrors: fieldErrors{},
	}
	for _, ea := range def.ExtensionAttributes {
		f.Keys = append(f.Keys, ea.Key)
	}
	return f
}

// startFrom fills the form with the fields of a version.
func (f *versionForm) startFrom(b *patch.Patch, now time.Time) {
	f.Released = now.UTC().Format(time.DateOnly)
	f.OS, f.Standalone, f.Reboot = b.MinimumOperatingSystem, b.Standalone, b.Reboot
	for _, k := range b.KillApps {
		f.Apps = append(f.Apps, appRow{Name: k.AppName, Bundle: k.BundleID})
	}
	rows := func(criteria []patch.Criterion, follows func(*patch.Criterion) bool) (all []criterionRow) {
		for _, c := range criteria {
			all = append(all, criterionRow{
				Name:     c.Name,
				Operator: c.Operator,
				Value:    c.Value,
				Or:       c.And != nil && !*c.And,
				Follows:  follows(&c),
			})
		}
		return all
	}
	f.Capabilities = rows(b.Capabilities, func(c *patch.Criterion) bool {
		return c.Name == "Operating System Version" && c.Value == b.MinimumOperatingSystem && c.Value != ""
	})
	if len(b.Components) > 0 {
		f.Component = b.Components[0].Name
		f.Criteria = rows(b.Components[0].Criteria, func(c *patch.Criterion) bool {
			return (c.Name == "Application Version" || slices.Contains(f.Keys, c.Name)) && c.Value == b.Version
		})
	}
	f.spare()
}

// spare adds empty rows and sets the path of each row in the version's JSON.
func (f *versionForm) spare() {
	for range spareRows {
		f.Apps = append(f.Apps, appRow{})
		f.Criteria = append(f.Criteria, criterionRow{Operator: "is"})
		f.Capabilities = append(f.Capabilities, criterionRow{Operator: "is"})
	}
	for i := range f.Apps {
		f.Apps[i].Path = "/killApps/" + strconv.Itoa(i)
	}
	for i := range f.Criteria {
		f.Criteria[i].Path = "/components/0/criteria/" + strconv.Itoa(i)
	}
	for i := range f.Capabilities {
		f.Capabilities[i].Path = "/capabilities/" + strconv.Itoa(i)
	}
}

// paths returns the paths that have a field in the form.
func (f *versionForm) paths() []string {
	all := []string{"/version", "/releaseDate", "/minimumOperatingSystem", "/components/0/name"}
	for _, r := range f.Apps {
		all = append(all, r.Path+"/appName", r.Path+"/bundleId")
	}
	for _, r := range slices.Concat(f.Criteria, f.Capabilities) {
		all = append(all, r.Path+"/name", r.Path+"/operator", r.Path+"/value")
	}
	return all
}

// read returns the version that the form describes, and fills f with the fields to be shown again. Values that follow
// the version, or the operating system, that the form began with become the new one; in f they stay, so that another
// attempt begins with the same.
func (f *versionForm) read(form url.Values) *patch.Patch {
	field := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	f.Version, f.OS, f.Component = field("version"), field("os"), field("component")
	f.Released, f.At = field("released"), field("released_at")
	f.Standalone, f.Reboot, f.Front = form.Has("standalone"), form.Has("reboot"), field("place") == "front"
	f.Base, f.BaseOS = form.Get("base"), form.Get("base_os")
	version := &patch.Patch{
		Version:                f.Version,
		ReleaseDate:            releaseDate(f.Released, f.At),
		Standalone:             f.Standalone,
		Reboot:                 f.Reboot,
		MinimumOperatingSystem: f.OS,
		KillApps:               []patch.KillApp{},
		Components:             []patch.Component{},
		Capabilities:           []patch.Criterion{},
	}
	names, bundles := form["app_name"], form["app_bundle"]
	for i := range min(len(names), len(bundles)) {
		app := appRow{Name: strings.TrimSpace(names[i]), Bundle: strings.TrimSpace(bundles[i])}
		if app.Name != "" || app.Bundle != "" {
			f.Apps = append(f.Apps, app)
			version.KillApps = append(version.KillApps, patch.KillApp{AppName: app.Name, BundleID: app.Bundle})
		}
	}
	var criteria []patch.Criterion
	f.Criteria, criteria = f.readCriteria(form, "criterion", f.Base, f.Version)
	f.Capabilities, version.Capabilities = f.readCriteria(form, "capability", f.BaseOS, f.OS)
	if f.Component != "" || len(criteria) > 0 {
		version.Components = append(version.Components,
			patch.Component{Name: f.Component, Version: f.Version, Criteria: criteria})
	}
	return version
}

// releaseDate returns the release date for a day and a time of a form. Without a time, it is midnight. A text that is
// not a day or not a time is returned unchanged, so that the API rejects it.
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

// readCriteria reads the rows of a list of criteria. It returns the rows to be shown again, and the criteria that they
// describe; empty rows are left out. In rows that follow, the value before becomes the value after.
func (f *versionForm) readCriteria(form url.Values, list, before, after string) (
	rows []criterionRow, criteria []patch.Criterion,
) {
	column := func(name string) []string { return form[list+"_"+name] }
	names, operators, values := column("name"), column("operator"), column("value")
	joins, follows := column("join"), column("follows")
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
		c := patch.Criterion{Name: r.Name, Operator: r.Operator, Value: r.Value, Type: "recon", And: new(!r.Or)}
		if slices.Contains(f.Keys, r.Name) {
			c.Type = "extensionAttribute"
		}
		// With scripts, the browser has changed the value already; without, it has not.
		if r.Follows && after != "" && (r.Value == before || r.Value == after) {
			c.Value, r.Value = after, before
		}
		rows, criteria = append(rows, r), append(criteria, c)
	}
	return rows, criteria
}
