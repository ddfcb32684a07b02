package patch

import (
	"fmt"
	"strings"
	"time"
)

// patch examines the patch at an index, unless it is disabled.
func (l *linter) patch(i int) {
	p := &l.d.Patches[i]
	if p.Disabled {
		return
	}
	if former := lastEnabled(l.d.Patches[:i]); former >= 0 {
		l.neighbors(former, i)
	}
	if released, err := ParseTime(p.ReleaseDate); err == nil && !l.opts.Now.IsZero() && released.After(l.opts.Now) {
		l.warn(codeFutureDate, "releaseDate",
			"version %q has the release date %s, which is in the future: Jamf Pro offers it immediately nevertheless. "+
				"Correct the date", p.Version, p.ReleaseDate)
	}
	if n := len(p.Components); n != 1 {
		l.warn(codeComponents, "components",
			"version %q has %d components: Jamf Pro supports exactly one, and does not recognize a version with "+
				"another number. Put all criteria into one component", p.Version, n)
	}
	l.each("components", len(p.Components), func(j int) { l.component(p, &p.Components[j]) })
	if len(p.Capabilities) == 0 {
		l.warn(codeCapabilities, "capabilities",
			"version %q has no capability: Jamf Pro assumes that every computer can run it. Add one, such as "+
				"Operating System Version greater than or equal %s", p.Version, p.MinimumOperatingSystem)
	}
	l.minimumOS(p)
	l.joined("capabilities", p.Capabilities)
	l.each("capabilities", len(p.Capabilities), func(j int) { l.criterion(&p.Capabilities[j]) })
}

// neighbors compares the patch at an index with the one before it that is not disabled, which is at another.
func (l *linter) neighbors(before, i int) {
	former, latter := &l.d.Patches[before], &l.d.Patches[i]
	order := CompareVersions(former.Version, latter.Version)
	switch {
	case order < 0:
		l.warnFix(codeOrder, "version", "patches sorted, newest first",
			"version %q comes after %q, which is older: Jamf Pro takes the first patch for the newest, and every "+
				"patch after a version for an older one. Put the newest first", latter.Version, former.Version)
		l.dates(i, latter, former)
	case order > 0:
		l.dates(before, former, latter)
	default:
		l.warnFix(codeSameVersion, "version", sameVersionFix(former, latter),
			"%q and %q are the same version in two notations: Jamf Pro shows both. Keep one, unless the vendor "+
				"released both", latter.Version, former.Version)
	}
}

// dates compares the release dates of two versions, of which the newer one is at an index.
func (l *linter) dates(index int, newer, older *Patch) {
	if newer.ReleaseDate == older.ReleaseDate || !sameLine(newer.Version, older.Version) {
		return
	}
	n, errN := ParseTime(newer.ReleaseDate)
	o, errO := ParseTime(older.ReleaseDate)
	if errN != nil || errO != nil || days(o)-days(n) <= 1 {
		return
	}
	l.add(codeDates, fmt.Sprintf("/patches/%d/releaseDate", index), "",
		"version %q was released at %s, before the older version %q (%s): Jamf Pro's reports by date will be wrong. "+
			"Check both dates", newer.Version, newer.ReleaseDate, older.Version, older.ReleaseDate)
}

// sameLine reports whether the first two numbers of two versions are the same. Vendors maintain several release
// lines at once, and a newer version of one may be older than a version of another.
func sameLine(a, b string) bool {
	v, w := ParseVersion(a), ParseVersion(b)
	return v.written > 0 && w.written > 0 && v.number(0) == w.number(0) && v.number(1) == w.number(1)
}

// days returns the number of calendar days from a fixed day to t, in UTC.
func days(t time.Time) int64 {
	const secondsPerDay = 24 * 60 * 60
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay
}

// component examines a component of a patch.
func (l *linter) component(p *Patch, c *Component) {
	if len(c.Criteria) == 0 {
		l.warn(codeComponentCriteria, "criteria",
			"the component of version %q has no criteria: Jamf Pro finds no computer with this version. "+
				"Add the bundle id and the version", p.Version)
	}
	if c.Version != p.Version {
		fix := ""
		if len(p.Components) == 1 {
			fix = fmt.Sprintf("replaced by %q", p.Version)
		}
		l.warnFix(codeComponentVersion, "version", fix,
			"the component has version %q, its patch %q: Jamf Pro expects them to be equal", c.Version, p.Version)
	}
	if i := c.otherVersion(p.Version); i >= 0 {
		l.warn(codeCriterionVersion, fmt.Sprintf("criteria/%d/value", i),
			"the criterion matches version %q, but its patch is %q: Jamf Pro would report computers with the "+
				"former as having the latter. Make them equal", c.Criteria[i].Value, p.Version)
	}
	l.joined("criteria", c.Criteria)
	l.each("criteria", len(c.Criteria), func(i int) { l.criterion(&c.Criteria[i]) })
}

// otherVersion returns the index of the first criterion that matches another version, or -1 if there is none or another
// criterion matches the version: criteria that are joined by OR may match several.
func (c *Component) otherVersion(version string) int {
	other := -1
	for i := range c.Criteria {
		r := &c.Criteria[i]
		if r.Type != "recon" || r.Name != "Application Version" || r.Operator != "is" && r.Operator != "like" {
			continue
		}
		if r.Value == version || r.Operator == "like" && r.Value != "" && strings.Contains(version, r.Value) {
			return -1
		}
		if other < 0 {
			other = i
		}
	}
	return other
}

// minimumOS compares the minimum operating system of a patch with its capabilities.
func (l *linter) minimumOS(p *Patch) {
	var values []string
	minimum := ParseVersion(p.MinimumOperatingSystem)
	for i := range p.Capabilities {
		r := &p.Capabilities[i]
		if r.Type != "recon" || r.Name != "Operating System Version" {
			continue
		}
		order := minimum.Compare(ParseVersion(r.Value))
		agrees := false
		switch r.Operator {
		case "greater than or equal", "is":
			agrees = order == 0
		case "greater than":
			agrees = order > 0
		default:
			continue // other operators set no minimum
		}
		if agrees {
			return
		}
		values = append(values, r.Operator+" "+r.Value)
	}
	if len(values) > 0 {
		l.warn(codeMinimumOS, "minimumOperatingSystem",
			"minimumOperatingSystem of version %q is %q, but its capability requires %q: Jamf Pro shows the former in "+
				"reports and applies the latter. Make them equal",
			p.Version, p.MinimumOperatingSystem, strings.Join(values, ", "))
	}
}
