package patch

import (
	"fmt"
	"math"
	"strconv"
)

// Bounds on the lists of a definition. They are many times what any real title
// needs, and keep what a hostile definition costs small.
const (
	// MaxPatches is the most patches that a title may have.
	MaxPatches = 10_000
	// MaxCriteria is the most criteria that a title's requirements, a component
	// and a patch's capabilities may each have.
	MaxCriteria = 1_000
	// MaxComponents is the most components that a patch may have. Jamf Pro
	// supports one.
	MaxComponents = 100
	// MaxKillApps is the most killApps that a patch may have.
	MaxKillApps = 1_000
	// MaxExtensionAttributes is the most extension attributes that a title may
	// have.
	MaxExtensionAttributes = 1_000
)

// A policy applies the rules that are newer than definitions in store: bounds on
// lists, and [CheckText] for names, publishers and versions. What the rules
// refuse is excused where an earlier definition has it too.
type policy struct {
	old *Definition // may be nil
	// report is told of each value that is refused and not excused: the code of
	// lint's rule, the message, and the path, which is good for the call only.
	report func(code, message string, path []string)

	path       []string
	oldPatches map[string]*Patch // by version; made when it is needed
}

// definition applies the policy to a whole definition.
func (p *policy) definition(d *Definition) {
	old := p.old
	if old == nil {
		old = &Definition{}
	}
	p.text("name", d.Name, old.Name)
	p.text("publisher", d.Publisher, old.Publisher)
	if p.oldPatch(d.CurrentVersion) == nil {
		p.text("currentVersion", d.CurrentVersion, old.CurrentVersion)
	}
	p.list("requirements", len(d.Requirements), len(old.Requirements), MaxCriteria)
	p.list("patches", len(d.Patches), len(old.Patches), MaxPatches)
	for i := range d.Patches {
		p.path = append(p.path, "patches", strconv.Itoa(i))
		p.patch(&d.Patches[i])
		p.path = p.path[:len(p.path)-2]
	}
	p.list("extensionAttributes", len(d.ExtensionAttributes), len(old.ExtensionAttributes), MaxExtensionAttributes)
}

// patch applies the policy to one patch.
func (p *policy) patch(v *Patch) {
	old := p.oldPatch(v.Version)
	if old == nil {
		old = &Patch{}
	}
	p.text("version", v.Version, old.Version)
	p.list("killApps", len(v.KillApps), len(old.KillApps), MaxKillApps)
	p.list("components", len(v.Components), len(old.Components), MaxComponents)
	for i := range v.Components {
		had := 0
		if i < len(old.Components) {
			had = len(old.Components[i].Criteria)
		}
		p.path = append(p.path, "components", strconv.Itoa(i))
		p.list("criteria", len(v.Components[i].Criteria), had, MaxCriteria)
		p.path = p.path[:len(p.path)-2]
	}
	p.list("capabilities", len(v.Capabilities), len(old.Capabilities), MaxCriteria)
}

func (p *policy) text(name, s, old string) {
	if message := unsafeText(s); message != "" && s != old {
		p.report(CodeUnsafeText, message, append(p.path, name))
	}
}

func (p *policy) list(name string, n, old, bound int) {
	if n > bound && n > old {
		p.report(CodeListLength, tooLong(n, bound), append(p.path, name))
	}
}

func tooLong(n, bound int) string {
	return fmt.Sprintf("must have at most %d elements, not %d: remove those that are not needed", bound, n)
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

// bounds are how many elements of each list are read before the rest is skipped.
type bounds struct{ patches, criteria, components, killApps, attributes int }

var unbounded = bounds{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}

// bounds returns what has to be read so that the policy can judge it: no less
// than the earlier definition has, wherever that may be.
func (p *policy) bounds() bounds {
	b := bounds{MaxPatches, MaxCriteria, MaxComponents, MaxKillApps, MaxExtensionAttributes}
	if p.old == nil {
		return b
	}
	b.patches = max(b.patches, len(p.old.Patches))
	b.attributes = max(b.attributes, len(p.old.ExtensionAttributes))
	b.criteria = max(b.criteria, len(p.old.Requirements))
	for i := range p.old.Patches {
		v := &p.old.Patches[i]
		b.killApps = max(b.killApps, len(v.KillApps))
		b.components = max(b.components, len(v.Components))
		b.criteria = max(b.criteria, len(v.Capabilities))
		for j := range v.Components {
			b.criteria = max(b.criteria, len(v.Components[j].Criteria))
		}
	}
	return b
}
