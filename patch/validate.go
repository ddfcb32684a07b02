package patch

import (
	"encoding/base64"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// MaxIDLength is the maximum length of a title's id in bytes.
	MaxIDLength = 255

	maxVersionLength = 255  // bytes of a version
	maxNameLength    = 1000 // bytes of a name, publisher, appName or bundleId, which every list of titles holds
)

// Validate returns every failure of d: what Jamf Pro drops silently or cannot process. The rules are those of Jamf's
// documentation of external patch sources and of Patch Server's schema: a usable id, a name, at least one requirement
// and one patch that is not disabled, unique versions and extension attribute keys, times in ISO 8601, scripts in
// base64, text in UTF-8.
//
// In addition, sizes are limited: 10,000 patches, 1,000 extension attributes, 1,000 criteria in each list of criteria,
// 100 components and 1,000 kill apps in each patch; [MaxUnknown] unknown members; 255 bytes of a version; 1,000 bytes
// of the name, publisher, appName and bundleId. Names, the publisher and versions must not have characters that are
// invisible, such as control characters.
//
// The error is a *[ValidationError]. The result of [Parse] is valid; Validate is for definitions that were made or
// changed in Go. A nil definition is as invalid as an empty one.
func (d *Definition) Validate() error { return d.ValidateOver(nil) }

// ValidateOver validates d, which replaces old, as [Definition.Validate] does. old may have been stored when there were
// no limits on lists and no rules for text. A failure against these rules is ignored if old has it too: the same name,
// publisher or version, or a list that has not grown, in the title or in the patch of the same version, or as many
// unknown members. If old is nil, no failure is ignored.
func (d *Definition) ValidateOver(old *Definition) error {
	if d == nil {
		d = &Definition{}
	}
	c := newChecker(&ParseOptions{Over: old})
	checkDefinition(c, d)
	c.unknown(d.UnknownMembers(), old)
	return c.result()
}

// ValidateEdit validates d, an edited copy of old, as [Definition.ValidateOver] does, and costs less: it relies on old,
// which [Parse] must have made, and does not check the patches that the two share in memory. Neither may have been
// changed in place.
func (d *Definition) ValidateEdit(old *Definition) error {
	if d == nil || old == nil {
		return d.ValidateOver(old)
	}
	c := newChecker(&ParseOptions{Over: old})
	c.checked = sharedPatches(d.Patches, old.Patches)
	checkDefinition(c, d)
	c.unknown(d.UnknownMembers(), old)
	return c.result()
}

// Validate returns every failure of p. The rules are those that [Definition.Validate] has for a patch.
func (p *Patch) Validate() error {
	if p == nil {
		p = &Patch{}
	}
	c := newChecker(nil)
	checkOnePatch(c, p)
	c.unknown(p.UnknownMembers(), nil)
	return c.result()
}

// ValidID reports whether id can be the id of a title: 1 to 255 of A-Z a-z 0-9 . _ - , and not "." or "..".
func ValidID(id string) bool {
	if id == "" || len(id) > MaxIDLength || id == "." || id == ".." {
		return false
	}
	for i := range len(id) {
		if !idByte(id[i]) {
			return false
		}
	}
	return true
}

func idByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '.' || b == '_' || b == '-'
}

// checkDefinition checks a definition, and holds it to the checker's policy if there is one.
func checkDefinition(c *checker, d *Definition) {
	checkTitle(c, d)
	checkLists(c, d)
	c.extra(d.Extra, definitionMembers)
	if c.policy != nil {
		c.policy.definition(d, c.checked)
	}
}

// checkOnePatch checks a patch that is the whole text, and holds it to the checker's policy if there is one.
func checkOnePatch(c *checker, p *Patch) {
	checkPatch(c, p)
	if c.policy != nil {
		c.policy.patch(p)
	}
}

// checkTitle checks the members of a definition that are not lists.
func checkTitle(c *checker, d *Definition) {
	if !ValidID(d.ID) {
		c.failAt("id", fmt.Sprintf("must be 1 to %d of A-Z a-z 0-9 . _ - and not . or .. : %q is not",
			MaxIDLength, shorten(d.ID)))
	}
	c.short("name", d.Name, maxNameLength)
	if d.Name == "" {
		c.failAt("name", "must not be empty")
	}
	c.short("publisher", d.Publisher, maxNameLength)
	if d.AppName != nil {
		c.short("appName", *d.AppName, maxNameLength)
	}
	if d.BundleID != nil {
		c.short("bundleId", *d.BundleID, maxNameLength)
	}
	if d.LastModified != "" {
		c.time("lastModified", d.LastModified)
	}
	c.short("currentVersion", d.CurrentVersion, maxVersionLength)
}

// checkLists checks the requirements, patches and extension attributes of a definition.
func checkLists(c *checker, d *Definition) {
	if len(d.Requirements) == 0 {
		c.failAt("requirements",
			"must have at least one criterion: without one, Jamf Pro cannot tell which computers have the title")
	}
	each(c, "requirements", d.Requirements, func(_ int, r *Criterion) {
		if r.And == nil {
			c.failAt("and", missing("and"))
		}
		checkCriterion(c, r)
	})

	if len(d.Patches) == 0 || c.policy != nil && firstEnabled(d.Patches) < 0 {
		c.failAt("patches", "must have at least one patch")
	}
	versions := make(map[string]int, len(d.Patches))
	each(c, "patches", d.Patches, func(i int, p *Patch) {
		c.unique("version", p.Version, i, versions, "it must be unique within the title")
		if c.checked == nil || !c.checked[i] {
			checkPatch(c, p)
		}
	})

	keys := make(map[string]int, len(d.ExtensionAttributes))
	each(c, "extensionAttributes", d.ExtensionAttributes, func(i int, a *ExtensionAttribute) {
		c.unique("key", a.Key, i, keys, "number them, such as key and key-2")
		checkExtensionAttribute(c, a)
	})
}

// checkPatch checks a patch. One that is disabled need not have a release date yet.
func checkPatch(c *checker, p *Patch) {
	c.short("version", p.Version, maxVersionLength)
	if p.Version == "" {
		c.failAt("version", "must not be empty")
	}
	if !p.Disabled {
		c.time("releaseDate", p.ReleaseDate)
	} else {
		c.text("releaseDate", p.ReleaseDate)
	}
	c.text("minimumOperatingSystem", p.MinimumOperatingSystem)
	each(c, "killApps", p.KillApps, func(_ int, k *KillApp) { checkKillApp(c, k) })
	each(c, "components", p.Components, func(_ int, m *Component) { checkComponent(c, m) })
	each(c, "capabilities", p.Capabilities, func(_ int, r *Criterion) { checkCriterion(c, r) })
	if p.Dependencies != nil {
		c.push("dependencies")
		c.json(p.Dependencies)
		if jsontext.Value(p.Dependencies).Kind() != '[' {
			c.fail("must be an array")
		}
		c.pop()
	}
	c.extra(p.Extra, patchMembers)
}

func checkKillApp(c *checker, k *KillApp) {
	c.text("bundleId", k.BundleID)
	c.text("appName", k.AppName)
	c.extra(k.Extra, killAppMembers)
}

func checkComponent(c *checker, m *Component) {
	c.text("name", m.Name)
	c.text("version", m.Version)
	each(c, "criteria", m.Criteria, func(_ int, r *Criterion) { checkCriterion(c, r) })
	c.extra(m.Extra, componentMembers)
}

func checkCriterion(c *checker, r *Criterion) {
	c.text("name", r.Name)
	c.text("operator", r.Operator)
	c.text("value", r.Value)
	c.text("type", r.Type)
	c.extra(r.Extra, criterionMembers)
}

func checkExtensionAttribute(c *checker, a *ExtensionAttribute) {
	c.text("key", a.Key)
	c.text("displayName", a.DisplayName)
	if _, err := base64.StdEncoding.DecodeString(a.Value); err != nil {
		c.failAt("value", "must be the script in base64 (standard alphabet, padded): "+err.Error())
	}
	c.extra(a.Extra, attributeMembers)
}
