package patch

import "slices"

// The members of each object. Those of Jamf's schema that may not be missing come first.
var (
	definitionMembers = []string{
		"id", "name", "publisher", "appName", "bundleId", "requirements", "patches", "extensionAttributes",
		"lastModified", "currentVersion",
	}
	requiredOfDefinition = definitionMembers[:8]

	patchMembers = []string{
		"version", "releaseDate", "standalone", "minimumOperatingSystem", "reboot", "killApps", "components",
		"capabilities", "dependencies", "enabled",
	}
	requiredOfPatch         = patchMembers[:8]
	requiredOfDisabledPatch = patchMembers[:1]
	// writtenOfPatch are the members that a patch without dependencies has a field for.
	writtenOfPatch = append(slices.Clone(requiredOfPatch), "enabled")

	killAppMembers   = []string{"bundleId", "appName"}
	componentMembers = []string{"name", "version", "criteria"}
	attributeMembers = []string{"key", "value", "displayName"}

	criterionMembers    = []string{"name", "operator", "value", "type", "and"}
	requiredOfCriterion = criterionMembers[:4]
)

func (r *reader) definition(d *Definition) { r.definitionWith(requiredOfDefinition, d) }

// definitionWith reads a definition that must have the required members.
func (r *reader) definitionWith(required []string, d *Definition) {
	r.object(&d.Extra, required, func(name string) bool {
		switch name {
		case "id":
			r.string(&d.ID)
		case "name":
			r.string(&d.Name)
		case "publisher":
			r.string(&d.Publisher)
		case "appName":
			r.stringOrNull(&d.AppName)
		case "bundleId":
			r.stringOrNull(&d.BundleID)
		case "lastModified":
			if r.string(&d.LastModified) && d.LastModified == "" {
				r.fail(notATime(""))
			}
		case "currentVersion":
			r.string(&d.CurrentVersion)
		case "requirements":
			array(r, &d.Requirements, r.max.criteria, (*reader).requirement)
		case "patches":
			array(r, &d.Patches, r.max.patches, (*reader).patch)
		case "extensionAttributes":
			array(r, &d.ExtensionAttributes, r.max.attributes, (*reader).extensionAttribute)
		default:
			return false
		}
		return true
	})
}

// onePatch reads a patch that is the whole text. If the text is a definition, it reports that alone, and not every
// member that a patch would need.
func (r *reader) onePatch(p *Patch) {
	r.patch(p)
	if hasField(p.Extra, "patches") && hasField(p.Extra, "requirements") {
		r.restart()
		r.fail("this is a whole definition: send one of its patches, or the definition with PUT …/titles/{id}")
	}
}

func (r *reader) patch(p *Patch) {
	seen := r.members(&p.Extra, requiredOfPatch, func(name string) bool {
		switch name {
		case "version":
			r.string(&p.Version)
		case "enabled":
			if kind := r.Kind(); r.policy == nil && !r.draft && kind != 't' && kind != 'f' {
				r.Value() // it was accepted before the member had a meaning
				return true
			}
			enabled := true
			r.bool(&enabled)
			p.Disabled = !enabled
		case "releaseDate":
			r.string(&p.ReleaseDate)
		case "standalone":
			r.bool(&p.Standalone)
		case "minimumOperatingSystem":
			r.string(&p.MinimumOperatingSystem)
		case "reboot":
			r.bool(&p.Reboot)
		case "killApps":
			array(r, &p.KillApps, r.max.killApps, (*reader).killApp)
		case "components":
			array(r, &p.Components, r.max.components, (*reader).component)
		case "capabilities":
			array(r, &p.Capabilities, r.max.criteria, (*reader).criterion)
		case "dependencies":
			if r.expect('[') {
				p.Dependencies = r.Value()
			}
		default:
			return false
		}
		return true
	})
	required := requiredOfPatch
	if p.Disabled {
		required = requiredOfDisabledPatch
	}
	r.missing(required, seen)
}

func (r *reader) killApp(k *KillApp) {
	r.object(&k.Extra, killAppMembers, func(name string) bool {
		switch name {
		case "bundleId":
			r.string(&k.BundleID)
		case "appName":
			r.string(&k.AppName)
		default:
			return false
		}
		return true
	})
}

func (r *reader) component(c *Component) {
	r.object(&c.Extra, componentMembers, func(name string) bool {
		switch name {
		case "name":
			r.string(&c.Name)
		case "version":
			r.string(&c.Version)
		case "criteria":
			array(r, &c.Criteria, r.max.criteria, (*reader).criterion)
		default:
			return false
		}
		return true
	})
}

// requirement reads a criterion that must have "and".
func (r *reader) requirement(c *Criterion) { r.criterionWith(criterionMembers, c) }

// criterion reads a criterion that may lack "and".
func (r *reader) criterion(c *Criterion) { r.criterionWith(requiredOfCriterion, c) }

func (r *reader) criterionWith(required []string, c *Criterion) {
	r.object(&c.Extra, required, func(name string) bool {
		switch name {
		case "name":
			r.string(&c.Name)
		case "operator":
			r.string(&c.Operator)
		case "value":
			r.string(&c.Value)
		case "type":
			r.string(&c.Type)
		case "and":
			var and bool
			if r.bool(&and) {
				c.And = &and
			}
		default:
			return false
		}
		return true
	})
}

func (r *reader) extensionAttribute(a *ExtensionAttribute) {
	r.object(&a.Extra, attributeMembers, func(name string) bool {
		switch name {
		case "key":
			r.string(&a.Key)
		case "value":
			r.string(&a.Value)
		case "displayName":
			r.string(&a.DisplayName)
		default:
			return false
		}
		return true
	})
}
