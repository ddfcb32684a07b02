package patch

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// title examines the members of the title, apart from its patches and extension attributes.
func (l *linter) title() {
	d := l.d
	if first := d.newest(); first != "" && d.CurrentVersion != "" && d.CurrentVersion != first {
		l.warnFix(codeCurrentVersion, "currentVersion", fmt.Sprintf("replaced by %q", first),
			"currentVersion is %q, but the first patch is %q: Jamf Pro reports the former and installs the latter. "+
				"Make them equal, with the newest patch first", d.CurrentVersion, first)
	}
	if t, err := ParseTime(d.LastModified); err == nil && t.Year() > lastYear {
		l.warn(codeLastModified, "lastModified",
			"lastModified is %s, which leaves no room for later changes: it must advance with every change. "+
				"A source replaces it by the time of the change", d.LastModified)
	}
	if d.Publisher == "" {
		l.warn(codePublisher, "publisher",
			"the publisher is empty: Jamf Pro sorts and shows titles by it. Set it to the vendor's name")
	}
	l.enabled()
	if id := d.BundleID; id != nil && *id != "" && !l.mentions(*id) {
		l.warn(codeBundleID, "bundleId",
			"neither a requirement nor a kill app mentions the bundleId %q: Jamf Pro finds the title by its "+
				"requirements alone. One of them is probably about another application", *id)
	}
	l.each("requirements", len(d.Requirements), func(i int) { l.criterion(&d.Requirements[i]) })
}

// enabled warns about the member by which other systems mark a title that is not served.
func (l *linter) enabled() {
	for _, f := range l.d.Extra {
		if f.Name == "enabled" && string(f.Value) == "false" {
			l.warn(codeEnabledIgnored, "enabled",
				"the title has \"enabled\": false but is served nevertheless: disable it, or save it as a draft")
		}
	}
}

// mentions reports whether a requirement or a kill app mentions a bundle id.
func (l *linter) mentions(bundleID string) bool {
	for i := range l.d.Patches {
		for j := range l.d.Patches[i].KillApps {
			if l.d.Patches[i].KillApps[j].BundleID == bundleID {
				return true
			}
		}
	}
	for i := range l.d.Requirements {
		if c := &l.d.Requirements[i]; c.Operator != "matches regex" && c.mentions(bundleID) {
			return true
		}
	}
	for i := range l.d.Requirements { // last, because they cost more
		if c := &l.d.Requirements[i]; c.Operator == "matches regex" && l.regexes.mayMatch(c.Value, bundleID) {
			return true
		}
	}
	return false
}

// mentions reports whether a criterion without a regular expression matches a value.
func (c *Criterion) mentions(value string) bool {
	switch c.Operator {
	case "is", "has":
		return c.Value == value
	case "like":
		return strings.Contains(value, c.Value)
	}
	return false
}

// attributes examines the extension attributes.
func (l *linter) attributes() {
	used := l.d.usedAttributes()
	l.each("extensionAttributes", len(l.d.ExtensionAttributes), func(i int) {
		a := &l.d.ExtensionAttributes[i]
		if !used[a.Key] {
			l.warn(codeUnusedAttribute, "key",
				"no criterion uses the extension attribute %q: every computer runs its script for nothing. "+
					"Use it in a criterion of type extensionAttribute, or remove it", a.Key)
		}
		script, err := base64.StdEncoding.DecodeString(a.Value)
		if err != nil {
			return // the definition is invalid
		}
		if !bytes.Contains(script, []byte("<result>")) {
			l.warn(codeScriptResult, "value",
				"the script of %q never prints <result>: Jamf Pro stores the text between <result> and </result>, "+
					"and so nothing. Print the version there", a.Key)
		}
		if !bytes.HasPrefix(script, []byte("#!")) {
			l.warn(codeScriptInterpreter, "value",
				"the script of %q does not begin with #!: a computer cannot tell how to run it. "+
					"Begin it with a line such as #!/bin/sh", a.Key)
		}
	})
}

// usedAttributes returns the keys of extension attributes that criteria use.
func (d *Definition) usedAttributes() map[string]bool {
	keys := map[string]bool{}
	add := func(criteria []Criterion) {
		for i := range criteria {
			if criteria[i].Type == "extensionAttribute" {
				keys[criteria[i].Name] = true
			}
		}
	}
	add(d.Requirements)
	for i := range d.Patches {
		p := &d.Patches[i]
		add(p.Capabilities)
		for j := range p.Components {
			add(p.Components[j].Criteria)
		}
	}
	return keys
}
