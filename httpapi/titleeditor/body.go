package titleeditor

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A body has the members of every kind of object that a client sends. A member that is nil was not given. Members that
// are not the caller's to set, such as numbers, are ignored.
type body struct {
	ID                     *string `json:"id"`
	Enabled                *bool   `json:"enabled"`
	Name                   *string `json:"name"`
	Publisher              *string `json:"publisher"`
	AppName                *string `json:"appName"`
	BundleID               *string `json:"bundleId"`
	CurrentVersion         *string `json:"currentVersion"`
	Requirements           []body  `json:"requirements"`
	Patches                []body  `json:"patches"`
	ExtensionAttributes    []body  `json:"extensionAttributes"`
	AbsoluteOrderID        *int    `json:"absoluteOrderId"`
	Version                *string `json:"version"`
	ReleaseDate            *string `json:"releaseDate"`
	Standalone             *bool   `json:"standalone"`
	MinimumOperatingSystem *string `json:"minimumOperatingSystem"`
	Reboot                 *bool   `json:"reboot"`
	KillApps               []body  `json:"killApps"`
	Components             []body  `json:"components"`
	Capabilities           []body  `json:"capabilities"`
	Criteria               []body  `json:"criteria"`
	And                    *bool   `json:"and"`
	Operator               *string `json:"operator"`
	Value                  *string `json:"value"`
	Type                   *string `json:"type"`
	Key                    *string `json:"key"`
	DisplayName            *string `json:"displayName"`
}

// A reader makes parts of bodies, and collects all failures.
type reader struct {
	now    time.Time
	errors []apiError
}

// fail adds a failure.
func (r *reader) fail(code, field, message string) {
	r.errors = append(r.errors, apiError{code, field + " " + message + ".", field})
}

// result returns the failures as a refusal, nil if there are none.
func (r *reader) result() error {
	if len(r.errors) == 0 {
		return nil
	}
	return &refusal{http.StatusBadRequest, r.errors}
}

// text sets *to to a member that may be missing, but must not be empty if required is true. at is the place of the
// object.
func (r *reader) text(at, name string, given *string, to *string, required bool) {
	if given != nil {
		*to = *given
	}
	if required && *to == "" {
		r.fail(codeInvalid, at+name, "is required and must not be empty")
	}
}

func set[T any](given *T, to *T) {
	if given != nil {
		*to = *given
	}
}

// optional sets *to to a member that null and an empty text remove.
func optional(given *string, to **string) {
	switch {
	case given == nil:
	case *given == "":
		*to = nil
	default:
		v := *given
		*to = &v
	}
}

// criterion changes c by a body.
func (r *reader) criterion(at string, b *body, c *patch.Criterion) {
	r.text(at, "name", b.Name, &c.Name, true)
	r.text(at, "operator", b.Operator, &c.Operator, true)
	r.text(at, "type", b.Type, &c.Type, true)
	set(b.Value, &c.Value)
	and := c.And == nil || *c.And
	set(b.And, &and)
	c.And = &and
	switch {
	case c.Type != "" && c.Type != "recon" && c.Type != "extensionAttribute":
		r.fail(codeInvalidCriteria, at+"type", "must be recon or extensionAttribute")
	case c.Type == "recon" && c.Name == "", c.Operator == "":
	case c.Type == "recon" && !slices.Contains(patch.CriterionNames(), c.Name) && c.Name != groupCriterion:
		// Jamf Pro may know more facts than this server.
	case !slices.Contains(operatorsOf(c.Name, c.Type), c.Operator):
		r.fail(codeInvalidCriteria, at+"operator", fmt.Sprintf("must be one of those of %q: %s", c.Name,
			strings.Join(operatorsOf(c.Name, c.Type), ", ")))
	}
}

// groupCriterion is a fact that Title Editor offers besides those of package patch.
const groupCriterion = "Computer Group"

// operatorsOf returns the operators of a criterion.
func operatorsOf(name, kind string) []string {
	if name == groupCriterion && kind != "extensionAttribute" {
		return []string{"member of", "not member of"}
	}
	if kind == "extensionAttribute" {
		return patch.CriterionOperators("") // those of any extension attribute
	}
	return patch.CriterionOperators(name)
}

// criteria returns the criteria of a list of bodies.
func (r *reader) criteria(at string, bodies []body) []patch.Criterion {
	all := []patch.Criterion{}
	for i := range bodies {
		var c patch.Criterion
		r.criterion(at+"/"+strconv.Itoa(i)+"/", &bodies[i], &c)
		all = append(all, c)
	}
	return all
}

// killApp changes k by a body.
func (r *reader) killApp(at string, b *body, k *patch.KillApp) {
	r.text(at, "bundleId", b.BundleID, &k.BundleID, true)
	r.text(at, "appName", b.AppName, &k.AppName, true)
}

// component changes the members of c but its criteria by a body.
func (r *reader) component(at string, b *body, c *patch.Component) {
	r.text(at, "name", b.Name, &c.Name, false)
	r.text(at, "version", b.Version, &c.Version, false)
}

// attribute changes a by a body.
func (r *reader) attribute(at string, b *body, a *patch.ExtensionAttribute) {
	r.text(at, "key", b.Key, &a.Key, true)
	r.text(at, "displayName", b.DisplayName, &a.DisplayName, true)
	if b.Value != nil {
		// Ruby breaks base64 into lines.
		a.Value = strings.Join(strings.Fields(*b.Value), "")
		if _, err := base64.StdEncoding.DecodeString(a.Value); err != nil {
			r.fail(codeInvalid, at+"value", "must be the script in base64")
		}
	}
}

// patch changes the members of p by a body, but not its parts and whether it is disabled.
func (r *reader) patch(at string, b *body, p *patch.Patch) {
	set(b.Version, &p.Version)
	if err := patch.CheckVersion(p.Version); err != nil {
		r.fail(codeInvalid, at+"version", err.Error())
	}
	if b.ReleaseDate != nil {
		t, err := parseDate(*b.ReleaseDate)
		if err != nil {
			r.fail(codeInvalid, at+"releaseDate", "must be a time such as 2026-01-02T03:04:05Z")
		}
		p.ReleaseDate = patch.FormatTime(t)
	}
	set(b.Standalone, &p.Standalone)
	set(b.MinimumOperatingSystem, &p.MinimumOperatingSystem)
	set(b.Reboot, &p.Reboot)
}

// dateLayouts are the forms of times that clients send besides ISO 8601: Ruby writes a Time in the first two.
var dateLayouts = []string{"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02"}

// parseDate parses a time that a client sends.
func parseDate(s string) (time.Time, error) {
	t, err := patch.ParseTime(s)
	for _, layout := range dateLayouts {
		if err == nil {
			break
		}
		t, err = time.Parse(layout, s)
	}
	return t, err
}

// newPatch returns a patch with its parts. It is disabled if the client says so, or if it is not complete.
func (r *reader) newPatch(at, titleName string, b *body) patch.Patch {
	p := patch.Patch{
		ReleaseDate:  patch.FormatTime(r.now),
		Standalone:   true,
		KillApps:     []patch.KillApp{},
		Components:   []patch.Component{},
		Capabilities: r.criteria(at+"capabilities", b.Capabilities),
		Dependencies: []byte("[]"),
	}
	r.patch(at, b, &p)
	for i := range b.KillApps {
		var k patch.KillApp
		r.killApp(fmt.Sprintf("%skillApps/%d/", at, i), &b.KillApps[i], &k)
		p.KillApps = append(p.KillApps, k)
	}
	complete := false
	for i := range b.Components {
		c := r.newComponent(fmt.Sprintf("%scomponents/%d/", at, i), &b.Components[i], titleName, p.Version)
		complete = complete || len(c.Criteria) > 0
		p.Components = append(p.Components, c)
	}
	complete = complete && len(p.Capabilities) > 0
	p.Disabled = !complete || b.Enabled != nil && !*b.Enabled
	return p
}

// newComponent returns a component with its criteria.
func (r *reader) newComponent(at string, b *body, titleName, version string) patch.Component {
	c := patch.Component{Name: titleName, Version: version, Criteria: r.criteria(at+"criteria", b.Criteria)}
	r.component(at, b, &c)
	return c
}

// newDefinition returns the definition of a new title.
func (r *reader) newDefinition(b *body) *patch.Definition {
	d := &patch.Definition{
		Requirements:        r.criteria("requirements", b.Requirements),
		Patches:             []patch.Patch{},
		ExtensionAttributes: []patch.ExtensionAttribute{},
	}
	r.title(b, d)
	r.text("", "id", b.ID, &d.ID, true)
	if d.ID != "" && !patch.ValidID(d.ID) {
		r.fail(codeInvalid, "id", "must be 1 to 255 of A-Z a-z 0-9 . _ -")
	}
	seen := map[string]bool{}
	for i := range b.Patches {
		at := fmt.Sprintf("patches/%d/", i)
		p := r.newPatch(at, d.Name, &b.Patches[i])
		if seen[p.Version] {
			r.fail(codeDuplicate, at+"version", "occurs twice")
		}
		seen[p.Version] = true
		d.Patches = append(d.Patches, p)
	}
	for i := range b.ExtensionAttributes {
		var a patch.ExtensionAttribute
		r.attribute(fmt.Sprintf("extensionAttributes/%d/", i), &b.ExtensionAttributes[i], &a)
		d.ExtensionAttributes = append(d.ExtensionAttributes, a)
	}
	return d
}

// title changes the members of a definition by a body, but neither its id nor its parts.
func (r *reader) title(b *body, d *patch.Definition) {
	r.text("", "name", b.Name, &d.Name, true)
	set(b.Publisher, &d.Publisher)
	optional(b.AppName, &d.AppName)
	optional(b.BundleID, &d.BundleID)
	set(b.CurrentVersion, &d.CurrentVersion)
}
