package patch

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// LintOptions are options of [Lint] and [Fix]. Nil means the zero value.
type LintOptions struct {
	// Now is the time that release dates are held against. The zero time leaves
	// that rule out.
	Now time.Time
	// Off are the codes of rules that are not applied.
	Off []string
	// Errors are the codes of rules whose warnings are marked as errors.
	Errors []string
	// About, if not nil, leaves out the warnings for which it is false.
	About func(code, path string) bool
}

// Lint returns what in a definition is allowed and probably not meant: what Jamf
// Pro takes without a word and then does something unexpected with. d has to be
// valid, or empty. At most [MaxFailures] warnings are returned, and as many errors.
//
// The rules are those of Jamf's article on external patch sources and of its
// tables of criteria and operators; see [Rules].
func Lint(d *Definition, opts *LintOptions) []Warning {
	warnings, _ := LintContext(context.Background(), d, opts) // which never ends
	return warnings
}

// LintContext is [Lint] for as long as ctx lasts. The error is that of ctx; then
// there are no warnings.
func LintContext(ctx context.Context, d *Definition, opts *LintOptions) ([]Warning, error) {
	return lint(ctx, d, opts, MaxFailures)
}

func lint(ctx context.Context, d *Definition, opts *LintOptions, most int) ([]Warning, error) {
	l := &linter{ctx: ctx, d: d, most: most, regexes: newRegexes()}
	if opts != nil {
		l.opts = *opts
	}
	l.keys = make(map[string]bool, len(d.ExtensionAttributes))
	for i := range d.ExtensionAttributes {
		l.keys[d.ExtensionAttributes[i].Key] = true
	}
	l.newerRules()
	l.title()
	for i := range d.Patches {
		l.patch(i)
	}
	l.attributes()
	if l.err == nil {
		l.err = ctx.Err()
	}
	if l.err != nil {
		return nil, l.err
	}
	return l.warnings, nil
}

type linter struct {
	ctx      context.Context
	err      error // of ctx
	steps    int   // taken since ctx was asked
	d        *Definition
	opts     LintOptions
	most     int
	counts   [2]int // of warnings, and of errors
	warnings []Warning
	keys     map[string]bool // of the extension attributes
	regexes  *regexes
}

// goOn reports whether ctx lasts; it looks every some hundred steps.
func (l *linter) goOn() bool {
	const stepsPerLook = 256
	if l.steps++; l.err == nil && l.steps%stepsPerLook == 0 {
		l.err = l.ctx.Err()
	}
	return l.err == nil
}

// warn adds a warning. fix says what Fix would do; empty: nothing.
func (l *linter) warn(code, path, fix, format string, args ...any) {
	isError := slices.Contains(l.opts.Errors, code)
	count := &l.counts[0]
	if isError {
		count = &l.counts[1] // no number of warnings hides an error
	}
	if *count == l.most || slices.Contains(l.opts.Off, code) || l.opts.About != nil && !l.opts.About(code, path) {
		return
	}
	*count++
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = shorten(s)
		}
	}
	l.warnings = append(
		l.warnings,
		Warning{Code: code, Path: path, Message: fmt.Sprintf(format, args...), Fix: shorten(fix), Error: isError},
	)
}

// newerRules looks for what is stored and would be refused in a new definition.
func (l *linter) newerRules() {
	p := &policy{report: func(code, message string, path []string) {
		at := "/" + strings.Join(path, "/")
		l.warn(
			code,
			at,
			"",
			"%s %s; a new definition may not have it, this one keeps it until it is changed",
			at,
			message,
		)
	}}
	p.definition(l.d)
}

func (l *linter) title() {
	d := l.d
	if len(d.Patches) > 0 && d.CurrentVersion != "" && d.CurrentVersion != d.Patches[0].Version {
		first := d.Patches[0].Version
		l.warn(
			CodeCurrentVersion,
			"/currentVersion",
			fmt.Sprintf("replaced by %q", first),
			"currentVersion is %q, but the first patch is %q: Jamf Pro reports the one and installs the other. Make them the same, with the newest patch first",
			d.CurrentVersion,
			first,
		)
	}
	if t, err := ParseTime(d.LastModified); err == nil && t.Year() > lastYear {
		l.warn(
			CodeLastModified,
			"/lastModified",
			"",
			"lastModified is %s: it moves forward with every change, and has no room to. A source replaces it by the time of the change",
			d.LastModified,
		)
	}
	if d.Publisher == "" {
		l.warn(
			CodePublisher,
			"/publisher",
			"",
			"the publisher is empty: Jamf Pro sorts and shows titles by it. Name the vendor",
		)
	}
	l.enabled(d.Extra, "", "the title")
	if id := d.BundleID; id != nil && *id != "" && !l.mentions(*id) {
		l.warn(
			CodeBundleID,
			"/bundleId",
			"",
			"neither a requirement nor a killApp mentions the bundleId %q: Jamf Pro looks for the title by its requirements alone. One of them is probably of another application",
			*id,
		)
	}
	for i := range d.Requirements {
		l.criterion(&d.Requirements[i], fmt.Sprintf("/requirements/%d", i))
	}
}

// enabled looks for the member by which another system says that a title or a
// patch is not to be served.
func (l *linter) enabled(extra []Field, at, what string) {
	for _, f := range extra {
		if f.Name == "enabled" && string(f.Value) == "false" {
			l.warn(
				CodeEnabledIgnored,
				at+"/enabled",
				"",
				"%s has \"enabled\": false, and is served all the same: remove it from the definition if it is a draft",
				what,
			)
		}
	}
}

// mentions reports whether a requirement or a killApp names a bundle id.
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
	for i := range l.d.Requirements { // which cost more
		if c := &l.d.Requirements[i]; c.Operator == "matches regex" && l.regexes.mayMatch(c.Value, bundleID) {
			return true
		}
	}
	return false
}

// mentions reports whether a criterion without a regular expression asks for a
// value.
func (c *Criterion) mentions(value string) bool {
	switch c.Operator {
	case "is", "has":
		return c.Value == value
	case "like":
		return strings.Contains(value, c.Value)
	}
	return false
}

func (l *linter) patch(i int) {
	if !l.goOn() {
		return
	}
	p := &l.d.Patches[i]
	at := fmt.Sprintf("/patches/%d", i)
	l.enabled(p.Extra, at, "version \""+shorten(p.Version)+"\"")
	if i > 0 {
		l.neighbours(i)
	}
	if released, err := ParseTime(p.ReleaseDate); err == nil && !l.opts.Now.IsZero() && released.After(l.opts.Now) {
		l.warn(
			CodeFutureDate,
			at+"/releaseDate",
			"",
			"version %q is released at %s, which is yet to come: Jamf Pro offers it at once all the same. Correct the date",
			p.Version,
			p.ReleaseDate,
		)
	}
	if n := len(p.Components); n != 1 {
		l.warn(
			CodeComponents,
			at+"/components",
			"",
			"version %q has %d components: Jamf Pro supports exactly one, and does not recognise the version by any other number. Put all criteria into one",
			p.Version,
			n,
		)
	}
	for j := range p.Components {
		l.component(p, &p.Components[j], fmt.Sprintf("%s/components/%d", at, j))
	}
	if len(p.Capabilities) == 0 {
		l.warn(
			CodeCapabilities,
			at+"/capabilities",
			"",
			"version %q has no capability: Jamf Pro takes every computer for able to run it. Add one, such as Operating System Version greater than or equal %s",
			p.Version,
			p.MinimumOperatingSystem,
		)
	}
	l.minimumOS(p, at)
	l.joined(p.Capabilities, at+"/capabilities")
	for j := range p.Capabilities {
		l.criterion(&p.Capabilities[j], fmt.Sprintf("%s/capabilities/%d", at, j))
	}
}

// neighbours looks at how a patch stands to the one in front of it.
func (l *linter) neighbours(i int) {
	front, back := &l.d.Patches[i-1], &l.d.Patches[i]
	order := CompareVersions(front.Version, back.Version)
	switch {
	case order < 0:
		l.warn(
			CodeOrder,
			fmt.Sprintf("/patches/%d/version", i),
			"patches sorted, newest first",
			"version %q stands behind %q, which is older: Jamf Pro takes the first patch for the newest, and what is behind a version for older than it. Put the newest first",
			back.Version,
			front.Version,
		)
	case order == 0:
		l.warn(
			CodeSameVersion,
			fmt.Sprintf("/patches/%d/version", i),
			sameVersionFix(front, back),
			"%q and %q are the same version, written in two ways: Jamf Pro shows both. Keep one, unless the vendor did release both",
			back.Version,
			front.Version,
		)
		return
	}
	newer, older, at := front, back, i-1
	if order < 0 {
		newer, older, at = back, front, i
	}
	if newer.ReleaseDate == older.ReleaseDate || !sameLine(newer.Version, older.Version) {
		return
	}
	n, errN := ParseTime(newer.ReleaseDate)
	o, errO := ParseTime(older.ReleaseDate)
	if errN == nil && errO == nil && days(o)-days(n) > 1 {
		l.warn(
			CodeDates,
			fmt.Sprintf("/patches/%d/releaseDate", at),
			"",
			"version %q was released at %s, before the older version %q (%s): Jamf Pro's reports by date come out wrong. "+
				"Check both dates",
			newer.Version,
			newer.ReleaseDate,
			older.Version,
			older.ReleaseDate,
		)
	}
}

// sameLine reports whether two versions are of one release line: their first two
// numbers are the same. Vendors maintain several lines at once, and what is newer
// in one may be older than what is in another.
func sameLine(a, b string) bool {
	v, w := ParseVersion(a), ParseVersion(b)
	number := func(v *Version, i int) string {
		if i < len(v.release) {
			return v.release[i]
		}
		return ""
	}
	return v.written > 0 && w.written > 0 && number(&v, 0) == number(&w, 0) && number(&v, 1) == number(&w, 1)
}

// days counts the calendar days up to t, in UTC.
func days(t time.Time) int64 {
	const secondsPerDay = 24 * 60 * 60
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay
}

func (l *linter) component(p *Patch, c *Component, at string) {
	if len(c.Criteria) == 0 {
		l.warn(
			CodeComponentCriteria,
			at+"/criteria",
			"",
			"the component of version %q has no criteria: Jamf Pro finds no computer that has the version. Add the bundle id and the version",
			p.Version,
		)
	}
	if c.Version != p.Version {
		fix := ""
		if len(p.Components) == 1 {
			fix = fmt.Sprintf("replaced by %q", p.Version)
		}
		l.warn(
			CodeComponentVersion,
			at+"/version",
			fix,
			"the component has version %q, its patch %q: Jamf Pro expects them to be the same",
			c.Version,
			p.Version,
		)
	}
	// Alternatives, joined by "and": false, may name other versions beside it.
	wrong := -1
	for i, r := range c.Criteria {
		if r.Type == "recon" && r.Name == "Application Version" && (r.Operator == "is" || r.Operator == "like") {
			if r.Value == p.Version || r.Operator == "like" && r.Value != "" && strings.Contains(p.Version, r.Value) {
				wrong = -1
				break
			}
			if wrong < 0 {
				wrong = i
			}
		}
	}
	if wrong >= 0 {
		l.warn(
			CodeCriterionVersion,
			fmt.Sprintf("%s/criteria/%d/value", at, wrong),
			"",
			"the criterion looks for version %q, its patch is %q: Jamf Pro takes computers with the one for having the other. Make them the same",
			c.Criteria[wrong].Value,
			p.Version,
		)
	}
	l.joined(c.Criteria, at+"/criteria")
	for i := range c.Criteria {
		l.criterion(&c.Criteria[i], fmt.Sprintf("%s/criteria/%d", at, i))
	}
}

func (l *linter) minimumOS(p *Patch, at string) {
	var values []string
	minimum := ParseVersion(p.MinimumOperatingSystem)
	for _, r := range p.Capabilities {
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
			continue // which says nothing of a minimum
		}
		if agrees {
			return
		}
		values = append(values, r.Operator+" "+r.Value)
	}
	if len(values) > 0 {
		l.warn(
			CodeMinimumOS,
			at+"/minimumOperatingSystem",
			"",
			"minimumOperatingSystem of version %q is %q, its capability demands %q: Jamf Pro shows the one in reports and goes by the other. Make them the same",
			p.Version,
			p.MinimumOperatingSystem,
			strings.Join(values, ", "),
		)
	}
}

func (l *linter) attributes() {
	used := l.d.used()
	for i := range l.d.ExtensionAttributes {
		if !l.goOn() {
			return
		}
		a := &l.d.ExtensionAttributes[i]
		at := fmt.Sprintf("/extensionAttributes/%d", i)
		if !used[a.Key] {
			l.warn(
				CodeUnusedAttribute,
				at+"/key",
				"",
				"no criterion names the extension attribute %q: every computer runs its script for nothing. Use it in a criterion of type extensionAttribute, or remove it",
				a.Key,
			)
		}
		script, err := base64.StdEncoding.DecodeString(a.Value)
		if err != nil {
			continue // not valid: not for lint
		}
		if !bytes.Contains(script, []byte("<result>")) {
			l.warn(
				CodeScriptResult,
				at+"/value",
				"",
				"the script of %q never prints <result>: Jamf Pro stores what stands between <result> and </result>, and so nothing. Print the version there",
				a.Key,
			)
		}
		if !bytes.HasPrefix(script, []byte("#!")) {
			l.warn(
				CodeScriptInterpreter,
				at+"/value",
				"",
				"the script of %q does not begin with #!: a computer does not know what to run it with. Begin it with a line such as #!/bin/sh",
				a.Key,
			)
		}
	}
}

// used returns the keys of extension attributes that criteria name.
func (d *Definition) used() map[string]bool {
	keys := map[string]bool{}
	add := func(cs []Criterion) {
		for i := range cs {
			if cs[i].Type == "extensionAttribute" {
				keys[cs[i].Name] = true
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
