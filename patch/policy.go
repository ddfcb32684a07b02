package patch

import (
	"fmt"
	"math"
	"strconv"
)

// The maximum lengths of the lists of a definition. They are many times what any real title needs, and limit the
// cost of a hostile one.
const (
	maxPatches    = 10_000
	maxCriteria   = 1_000 // in the requirements, in a component and in the capabilities of a patch
	maxComponents = 100   // in a patch; Jamf Pro supports one
	maxKillApps   = 1_000 // in a patch
	maxAttributes = 1_000
)

// A policy applies the rules that are newer than some stored definitions: limits on lists, and checkText for names,
// publishers and versions. A violation that an earlier definition has too is ignored.
type policy struct {
	old *Definition // may be nil
	// report is called for each violation, with the code of lint's rule, the message and the path. The path is valid
	// during the call only.
	report func(code, message string, path []string)

	path       []string
	oldPatches map[string]*Patch // by version; made when needed
}

// definition applies the policy to a definition. The patches with these indices conform already; if checked is nil,
// there are none.
func (p *policy) definition(d *Definition, checked []bool) {
	old := p.old
	if old == nil {
		old = &Definition{}
	}
	p.text("name", d.Name, old.Name)
	p.text("publisher", d.Publisher, old.Publisher)
	if unsafeText(d.CurrentVersion) != "" && p.oldPatch(d.CurrentVersion) == nil {
		p.text("currentVersion", d.CurrentVersion, old.CurrentVersion)
	}
	p.list("requirements", len(d.Requirements), len(old.Requirements), maxCriteria)
	p.list("patches", len(d.Patches), len(old.Patches), maxPatches)
	for i := range d.Patches {
		if checked == nil || !checked[i] {
			p.patchAt(d, i)
		}
	}
	p.list("extensionAttributes", len(d.ExtensionAttributes), len(old.ExtensionAttributes), maxAttributes)
}

// patchAt applies the policy to the patch of a definition at an index.
func (p *policy) patchAt(d *Definition, i int) {
	p.path = append(p.path, "patches", strconv.Itoa(i))
	p.patch(&d.Patches[i])
	p.path = p.path[:len(p.path)-2]
}

// patch applies the policy to a patch.
func (p *policy) patch(v *Patch) {
	old := p.oldPatch(v.Version)
	if old == nil {
		old = &Patch{}
	}
	p.text("version", v.Version, old.Version)
	p.list("killApps", len(v.KillApps), len(old.KillApps), maxKillApps)
	p.list("components", len(v.Components), len(old.Components), maxComponents)
	for i := range v.Components {
		oldLength := 0
		if i < len(old.Components) {
			oldLength = len(old.Components[i].Criteria)
		}
		p.path = append(p.path, "components", strconv.Itoa(i))
		p.list("criteria", len(v.Components[i].Criteria), oldLength, maxCriteria)
		p.path = p.path[:len(p.path)-2]
	}
	p.list("capabilities", len(v.Capabilities), len(old.Capabilities), maxCriteria)
}

func (p *policy) text(name, s, old string) {
	if message := unsafeText(s); message != "" && s != old {
		p.report(codeUnsafeText, message, append(p.path, name))
	}
}

func (p *policy) list(name string, length, oldLength, maxLength int) {
	if length > maxLength && length > oldLength {
		p.report(codeListLength, tooLong(length, maxLength), append(p.path, name))
	}
}

func tooLong(length, maxLength int) string {
	return fmt.Sprintf("must have at most %d elements, not %d: remove those that are not needed", maxLength, length)
}

// oldPatch returns the patch of the earlier definition with this version, or nil.
func (p *policy) oldPatch(version string) *Patch {
	if p.old == nil {
		return nil
	}
	if p.oldPatches == nil {
		p.oldPatches = make(map[string]*Patch, len(p.old.Patches))
		for i := range p.old.Patches {
			p.oldPatches[p.old.Patches[i].Version] = &p.old.Patches[i]
		}
	}
	return p.oldPatches[version]
}

// limits are the maximum numbers of elements that are read of each list before the rest is skipped.
type limits struct{ patches, criteria, components, killApps, attributes int }

var unlimited = limits{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}

// limits returns limits that let the policy judge every list: none is below the length of any such list of the earlier
// definition.
func (p *policy) limits() limits {
	l := limits{maxPatches, maxCriteria, maxComponents, maxKillApps, maxAttributes}
	if p.old == nil {
		return l
	}
	l.patches = max(l.patches, len(p.old.Patches))
	l.attributes = max(l.attributes, len(p.old.ExtensionAttributes))
	l.criteria = max(l.criteria, len(p.old.Requirements))
	for i := range p.old.Patches {
		v := &p.old.Patches[i]
		l.killApps = max(l.killApps, len(v.KillApps))
		l.components = max(l.components, len(v.Components))
		l.criteria = max(l.criteria, len(v.Capabilities))
		for j := range v.Components {
			l.criteria = max(l.criteria, len(v.Components[j].Criteria))
		}
	}
	return l
}
