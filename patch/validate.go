package patch

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// MaxIDLength is the most bytes that the id of a title may have.
	MaxIDLength = 255
	// MaxVersionLength is the most bytes that a version may have.
	MaxVersionLength = 255
	// MaxNameLength is the most bytes that a title's name, publisher, appName
	// and bundleId may have: every list of titles holds them.
	MaxNameLength = 1000
)

// Validate reports everything for which a definition has to be refused: what
// Jamf Pro would drop silently, or break on. The rules are those of Jamf's
// article on external patch sources and of Patch Server's schema: a usable id, a
// name, at least one requirement and one patch, versions and extension attribute
// keys that stand once, times in ISO 8601, scripts in base64, text in UTF-8.
// Besides, lists have bounds ([MaxPatches] and the others), and names, the
// publisher and versions pass [CheckText].
//
// The error is a *[ValidationError]. What Parse returns is valid; the method is
// for definitions made or changed in Go.
func (d *Definition) Validate() error { return d.ValidateOver(nil) }

// ValidateOver is [Definition.Validate] for a definition that takes the place of
// old, which may have been stored before lists had bounds and text was checked:
// what breaks these rules alone is no failure if old has it too. That is the same
// name, publisher or version, and a list that is no longer than it was, in the
// title or in the patch of the same version. If old is nil, nothing is excused.
func (d *Definition) ValidateOver(old *Definition) error {
	c := newChecker(&ParseOptions{Over: old})
	checkDefinition(c, d)
	return c.result()
}

// Validate reports everything for which a version has to be refused, as
// [Definition.Validate] does for the whole.
func (p *Patch) Validate() error {
	c := newChecker(nil)
	checkOnePatch(c, p)
	return c.result()
}

// ValidID reports whether id can name a title: 1 to 255 of A-Z a-z 0-9 . _ - ,
// and not "." or "..".
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

func checkDefinition(c *checker, d *Definition) {
	checkMembers(c, d)
	if c.policy != nil {
		c.policy.definition(d)
	}
}

func checkOnePatch(c *checker, p *Patch) {
	checkPatch(c, p)
	if c.policy != nil {
		c.policy.patch(p)
	}
}

func checkMembers(c *checker, d *Definition) {
	if !ValidID(d.ID) {
		c.failAt(
			"id",
			fmt.Sprintf("must be 1 to %d of A-Z a-z 0-9 . _ - and not . or .. : %q is not", MaxIDLength, shorten(d.ID)),
		)
	}
	c.short("name", d.Name, MaxNameLength)
	if d.Name == "" {
		c.failAt("name", "must not be empty")
	}
	c.short("publisher", d.Publisher, MaxNameLength)
	if d.AppName != nil {
		c.short("appName", *d.AppName, MaxNameLength)
	}
	if d.BundleID != nil {
		c.short("bundleId", *d.BundleID, MaxNameLength)
	}
	if d.LastModified != "" {
		c.time("lastModified", d.LastModified)
	}
	c.short("currentVersion", d.CurrentVersion, MaxVersionLength)

	if len(d.Requirements) == 0 {
		c.failAt(
			"requirements",
			"must hold at least one criterion: without one, Jamf Pro cannot tell which computers have the title",
		)
	}
	each(c, "requirements", d.Requirements, func(_ int, r *Criterion) {
		if r.And == nil {
			c.failAt("and", "is missing: add it")
		}
		checkCriterion(c, r)
	})

	if len(d.Patches) == 0 {
		c.failAt("patches", "must hold at least one patch")
	}
	versions := make(map[string]int, len(d.Patches))
	each(c, "patches", d.Patches, func(i int, p *Patch) {
		c.unique("version", p.Version, i, versions, "it must be unique within the title")
		checkPatch(c, p)
	})

	keys := make(map[string]int, len(d.ExtensionAttributes))
	each(c, "extensionAttributes", d.ExtensionAttributes, func(i int, a *ExtensionAttribute) {
		c.unique("key", a.Key, i, keys, "number them, such as key and key-2")
		c.text("key", a.Key)
		c.text("displayName", a.DisplayName)
		if _, err := base64.StdEncoding.DecodeString(a.Value); err != nil {
			c.failAt("value", "must be the script in base64 (standard alphabet, padded): "+err.Error())
		}
		c.extra(a.Extra, "key", "value", "displayName")
	})
	c.extra(
		d.Extra,
		"id",
		"name",
		"publisher",
		"appName",
		"bundleId",
		"lastModified",
		"currentVersion",
		"requirements",
		"patches",
		"extensionAttributes",
	)
}

func checkPatch(c *checker, p *Patch) {
	c.short("version", p.Version, MaxVersionLength)
	if p.Version == "" {
		c.failAt("version", "must not be empty")
	}
	c.time("releaseDate", p.ReleaseDate)
	c.text("minimumOperatingSystem", p.MinimumOperatingSystem)
	each(c, "killApps", p.KillApps, func(_ int, k *KillApp) {
		c.text("bundleId", k.BundleID)
		c.text("appName", k.AppName)
		c.extra(k.Extra, "bundleId", "appName")
	})
	each(c, "components", p.Components, func(_ int, m *Component) {
		c.text("name", m.Name)
		c.text("version", m.Version)
		each(c, "criteria", m.Criteria, func(_ int, r *Criterion) { checkCriterion(c, r) })
		c.extra(m.Extra, "name", "version", "criteria")
	})
	each(c, "capabilities", p.Capabilities, func(_ int, r *Criterion) { checkCriterion(c, r) })
	if p.Dependencies != nil {
		c.push("dependencies")
		c.json(p.Dependencies)
		if jsontext.Value(p.Dependencies).Kind() != '[' {
			c.fail("must be an array")
		}
		c.pop()
	}
	c.extra(
		p.Extra,
		"version",
		"releaseDate",
		"standalone",
		"minimumOperatingSystem",
		"reboot",
		"killApps",
		"components",
		"capabilities",
		"dependencies",
	)
}

func checkCriterion(c *checker, r *Criterion) {
	c.text("name", r.Name)
	c.text("operator", r.Operator)
	c.text("value", r.Value)
	c.text("type", r.Type)
	c.extra(r.Extra, criterionKeys...)
}

// A checker collects failures and knows the path it is at.
type checker struct {
	at     string // in front of every path
	path   []string
	failed map[string]bool
	fails  []Failure
	full   bool // MaxFailures are kept, and there was one more

	policy *policy // nil: it is not applied
}

// newChecker returns a checker as the options have it.
func newChecker(opts *ParseOptions) *checker {
	c := &checker{}
	if opts == nil {
		opts = &ParseOptions{}
	}
	c.at = opts.At
	if !opts.Stored {
		c.policy = &policy{old: opts.Over, report: func(_, message string, path []string) {
			c.path = append(c.path, path...)
			c.fail(message)
			c.path = c.path[:len(c.path)-len(path)]
		}}
	}
	return c
}

func (c *checker) push(name string) { c.path = append(c.path, name) }

func (c *checker) pop() { c.path = c.path[:len(c.path)-1] }

// fail notes a failure at the place reached. What lies at or below a place that
// has failed already says nothing new: an element of the wrong type is not also
// one without a name.
func (c *checker) fail(message string) {
	var b strings.Builder
	b.WriteString(c.at)
	known := c.failed[c.at]
	for _, name := range c.path {
		b.WriteByte('/')
		_, _ = pointerEscaper.WriteString(&b, name)
		known = known || c.failed[b.String()]
	}
	if known {
		return
	}
	if len(c.fails) == MaxFailures {
		c.full = true
		return
	}
	path := b.String()
	if c.failed == nil {
		c.failed = map[string]bool{}
	}
	c.failed[path] = true
	c.fails = append(c.fails, Failure{Path: path, Message: message})
}

func (c *checker) failAt(name, message string) {
	c.push(name)
	c.fail(message)
	c.pop()
}

// restart forgets the failures.
func (c *checker) restart() { c.failed, c.fails, c.full = nil, nil, false }

func (c *checker) result() error {
	if len(c.fails) == 0 {
		return nil
	}
	return &ValidationError{Failures: c.fails, Truncated: c.full}
}

func each[T any](c *checker, name string, values []T, check func(i int, value *T)) {
	if len(values) == 0 {
		return
	}
	c.push(name)
	for i := range values {
		c.push(strconv.Itoa(i))
		check(i, &values[i])
		c.pop()
	}
	c.pop()
}

func (c *checker) text(name, s string) {
	if !utf8.ValidString(s) {
		c.failAt(name, "must be valid UTF-8")
	}
}

// short checks text of at most so many bytes.
func (c *checker) short(name, s string, most int) {
	c.text(name, s)
	if len(s) > most {
		c.failAt(name, fmt.Sprintf("must have at most %d bytes, not %d", most, len(s)))
	}
}

func (c *checker) time(name, s string) {
	if _, err := ParseTime(s); err != nil {
		c.failAt(name, notATime(s))
	}
}

// unique notes the second of two equal values; empty ones fail elsewhere.
func (c *checker) unique(name, value string, i int, first map[string]int, fix string) {
	if value == "" {
		return
	}
	if earlier, ok := first[value]; ok {
		c.failAt(name, fmt.Sprintf("%q stands twice, first at index %d: %s", shorten(value), earlier, fix))
		return
	}
	first[value] = i
}

// extra checks members that we do not know. One of our own names there would be
// written twice.
func (c *checker) extra(fields []Field, ours ...string) {
	if len(fields) == 0 {
		return
	}
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		c.push(f.Name)
		if slices.Contains(ours, f.Name) {
			c.fail("stands in Extra, but is a field of its own: set that")
		}
		if seen[f.Name] {
			c.fail("stands twice in Extra")
		}
		seen[f.Name] = true
		if !utf8.ValidString(f.Name) {
			c.fail("must have a name in valid UTF-8")
		}
		c.json(f.Value)
		c.pop()
	}
}

// json checks JSON that is kept as it is. Parse has done so already, the text
// may be large, and checking it is cheap beside reading it.
func (c *checker) json(v json.RawMessage) {
	if !jsontext.Value(v).IsValid() {
		c.fail("must be one valid JSON value")
	} else if tooDeep(v, MaxDepth-len(c.path)) >= 0 {
		c.fail(fmt.Sprintf("is nested deeper than %d levels", MaxDepth))
	}
}
