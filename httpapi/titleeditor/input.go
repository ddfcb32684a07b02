package titleeditor

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// newDefinition returns the definition of a new title. Its patches are disabled if they are incomplete.
func (o object) newDefinition(now time.Time) *patch.Definition {
	d := &patch.Definition{ID: o.required("id"), Name: o.required("name")}
	if d.ID != "" && !patch.ValidID(d.ID) {
		o.fail("id", "must have 1 to %d letters, digits, dots, underscores and hyphens", patch.MaxIDLength)
	}
	d.Publisher, _ = o.text("publisher")
	v, given := o.text("appName")
	setPointer(&d.AppName, v, given)
	v, given = o.text("bundleId")
	setPointer(&d.BundleID, v, given)
	for _, r := range o.list("requirements") {
		d.Requirements = append(d.Requirements, r.newCriterion())
	}
	seen := map[string]bool{}
	for _, e := range o.list("patches") {
		p := e.newPatch(now, d.Name)
		p.Disabled = p.Disabled || !complete(&p)
		if seen[p.Version] && p.Version != "" {
			e.failAs(codeDuplicate, "version", "is that of another patch of the title")
		}
		seen[p.Version] = true
		d.Patches = append(d.Patches, p)
	}
	for _, e := range o.list("extensionAttributes") {
		d.ExtensionAttributes = append(d.ExtensionAttributes, e.newExtensionAttribute())
	}
	if d.CurrentVersion, given = o.text("currentVersion"); !given && len(d.Patches) > 0 {
		d.CurrentVersion = d.Patches[0].Version
	}
	return d
}

// complete reports whether a patch can be enabled; see numbered.Title.Complete.
func complete(p *patch.Patch) bool {
	return len(p.Capabilities) > 0 &&
		slices.ContainsFunc(p.Components, func(c patch.Component) bool { return len(c.Criteria) > 0 })
}

// newPatch returns a new patch of a title. It is disabled only if the client asked for that.
func (o object) newPatch(now time.Time, title string) patch.Patch {
	p := patch.Patch{
		Version:                o.newVersion(),
		MinimumOperatingSystem: o.required("minimumOperatingSystem"),
		ReleaseDate:            patch.FormatTime(now),
		Standalone:             true,
	}
	v, given := o.date("releaseDate")
	set(&p.ReleaseDate, v, given)
	b, given := o.flag("standalone")
	set(&p.Standalone, b, given)
	b, given = o.flag("reboot")
	set(&p.Reboot, b, given)
	if enabled, given := o.flag("enabled"); given {
		p.Disabled = !enabled
	}
	for _, e := range o.list("killApps") {
		p.KillApps = append(p.KillApps, e.newKillApp())
	}
	for _, e := range o.list("components") {
		p.Components = append(p.Components, e.newComponent(title, p.Version))
	}
	for _, e := range o.list("capabilities") {
		p.Capabilities = append(p.Capabilities, e.newCriterion())
	}
	return p
}

func (o object) newKillApp() patch.KillApp {
	return patch.KillApp{BundleID: o.required("bundleId"), AppName: o.required("appName")}
}

// newComponent returns a new component. Without a name and a version, it has those of the title and the patch.
func (o object) newComponent(title, version string) patch.Component {
	c := patch.Component{Name: title, Version: version}
	v, given := o.filled("name")
	set(&c.Name, v, given)
	v, given = o.filled("version")
	set(&c.Version, v, given)
	for _, e := range o.list("criteria") {
		c.Criteria = append(c.Criteria, e.newCriterion())
	}
	return c
}

func (o object) newCriterion() patch.Criterion {
	c := patch.Criterion{Name: o.required("name"), Operator: o.required("operator"), Type: o.required("type")}
	c.Value, _ = o.value()
	and, given := o.flag("and")
	and = and || !given
	c.And = &and
	o.check(&c)
	return c
}

// The types of criteria.
const (
	typeRecon     = "recon"
	typeAttribute = "extensionAttribute"
)

// check checks the operator and the type of a criterion. Names that are not known are accepted: Jamf Pro may have more.
func (o object) check(c *patch.Criterion) {
	if c.Type != "" && c.Type != typeRecon && c.Type != typeAttribute {
		o.failAs(codeCriteria, "type", "must be %s or %s", typeRecon, typeAttribute)
		return
	}
	operators, known := operatorsOf(c.Name)
	if c.Type == typeRecon && known && c.Operator != "" && !slices.Contains(operators, c.Operator) {
		o.failAs(codeCriteria, "operator", "is not one of %q: %s", c.Name, strings.Join(operators, ", "))
	}
}

func (o object) newExtensionAttribute() patch.ExtensionAttribute {
	a := patch.ExtensionAttribute{Key: o.required("key"), DisplayName: o.required("displayName")}
	a.Value, _ = o.script()
	return a
}

// script returns the value of an extension attribute in base64, without the line breaks that clients put into it.
func (o object) script() (s string, given bool) {
	s, given = o.text("value")
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		o.fail("value", "must be a script in base64")
	}
	return base64.StdEncoding.EncodeToString(raw), given
}

// dateLayouts are the forms of a date besides those of patch.ParseTime. Ruby writes the first two.
var dateLayouts = []string{"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02"}

// date returns a date as a definition has it.
func (o object) date(name string) (s string, given bool) {
	s, given = o.text(name)
	if !given {
		return "", false
	}
	t, err := patch.ParseTime(s)
	for _, layout := range dateLayouts {
		if err == nil {
			break
		}
		t, err = time.Parse(layout, s)
	}
	if err == nil {
		s = patch.FormatTime(t)
		_, err = patch.ParseTime(s) // the year
	}
	if err != nil {
		o.fail(name, "must be a date in ISO 8601, such as 2026-01-02T03:04:05Z")
	}
	return s, true
}

// An update changes the part at a place, and returns its place afterward.
type update func(t *numbered.Title, at numbered.Place) (numbered.Place, error)

// update returns the update of a part of a kind that the object asks for.
func (o object) update(kind numbered.Kind) update {
	switch kind {
	case numbered.Patch:
		return o.updatePatch()
	case numbered.KillApp:
		return o.updateKillApp()
	case numbered.Component:
		return o.updateComponent()
	case numbered.ExtensionAttribute:
		return o.updateExtensionAttribute()
	}
	return o.updateCriterion()
}

// updatePatch returns the update of a patch. Lists of its parts are ignored: they have calls of their own.
func (o object) updatePatch() update {
	version, hasVersion := o.version()
	system, hasSystem := o.filled("minimumOperatingSystem")
	date, hasDate := o.date("releaseDate")
	standalone, hasStandalone := o.flag("standalone")
	reboot, hasReboot := o.flag("reboot")
	enabled, hasEnabled := o.flag("enabled")
	to := o.order(-1)
	return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
		p := t.Patch(at)
		if hasVersion && version != p.Version {
			if t.Definition.FindPatch(version) >= 0 {
				return at, duplicate("version", versionTaken)
			}
			p.Version = version
		}
		set(&p.MinimumOperatingSystem, system, hasSystem)
		set(&p.ReleaseDate, date, hasDate)
		set(&p.Standalone, standalone, hasStandalone)
		set(&p.Reboot, reboot, hasReboot)
		if hasEnabled {
			if enabled && !t.Complete(at.Patch) {
				return at, errIncomplete
			}
			p.Disabled = !enabled
		}
		return moveTo(t, at, to), nil
	}
}

// versionTaken is the message about a version that another patch has.
const versionTaken = "The title has a patch of this version already."

// moveTo moves a part, unless to is negative.
func moveTo(t *numbered.Title, at numbered.Place, to int) numbered.Place {
	if to < 0 || to == at.Index {
		return at
	}
	return t.Move(at, to)
}

func (o object) updateKillApp() update {
	bundle, hasBundle := o.filled("bundleId")
	app, hasApp := o.filled("appName")
	return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
		k := t.KillApp(at)
		set(&k.BundleID, bundle, hasBundle)
		set(&k.AppName, app, hasApp)
		return at, nil
	}
}

func (o object) updateComponent() update {
	name, hasName := o.filled("name")
	version, hasVersion := o.filled("version")
	return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
		c := t.Component(at)
		set(&c.Name, name, hasName)
		set(&c.Version, version, hasVersion)
		return at, nil
	}
}

func (o object) updateExtensionAttribute() update {
	key, hasKey := o.filled("key")
	name, hasName := o.filled("displayName")
	script, hasScript := o.script()
	return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
		a := t.ExtensionAttribute(at)
		if hasKey && key != a.Key && hasKeyed(t.Definition, key) {
			return at, duplicate("key", keyTaken)
		}
		set(&a.Key, key, hasKey)
		set(&a.DisplayName, name, hasName)
		set(&a.Value, script, hasScript)
		return at, nil
	}
}

// keyTaken is the message about a key that another extension attribute has.
const keyTaken = "The title has an extension attribute with this key already."

// hasKeyed reports whether a title has an extension attribute with a key.
func hasKeyed(d *patch.Definition, key string) bool {
	return slices.ContainsFunc(d.ExtensionAttributes, func(a patch.ExtensionAttribute) bool { return a.Key == key })
}

// updateCriterion returns the update of a requirement, a capability or a criterion of a component. Name, operator and
// type are checked together.
func (o object) updateCriterion() update {
	name, hasName := o.filled("name")
	operator, hasOperator := o.filled("operator")
	kind, hasKind := o.filled("type")
	value, hasValue := o.value()
	and, hasAnd := o.flag("and")
	to := o.order(-1)
	return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
		c := t.Criterion(at)
		set(&c.Name, name, hasName)
		set(&c.Operator, operator, hasOperator)
		set(&c.Type, kind, hasKind)
		set(&c.Value, value, hasValue)
		if hasAnd {
			c.And = &and
		}
		if hasName || hasOperator || hasKind {
			checked := object{errors: &fieldErrors{}}
			if checked.check(c); checked.err() != nil {
				return at, checked.err()
			}
		}
		return moveTo(t, at, to), nil
	}
}
