package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A ChangeKind says what happened to a part of a definition.
type ChangeKind string

const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
	Moved   ChangeKind = "moved"
)

// A Change is one difference between two definitions.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Path is the JSON Pointer of the part: in the later definition, or in the
	// earlier one if it was removed.
	Path string `json:"path"`
	// Version is the version that the change is about; empty: the title itself.
	Version string `json:"version,omitempty"`
	// From and To are the part's JSON before and after, as far as there is one
	// and it is a plain value.
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
	// Text is the change in words, such as
	// "minimum OS of 9.3 changed from 10.12 to 10.13".
	Text string `json:"text"`
}

// A Difference is all that changed between two definitions, but for lastModified
// and currentVersion, which follow from the rest.
type Difference []Change

// mostInText is how many changes String names.
const mostInText = 20

// String says what changed in one line, the changes separated by semicolons.
func (d Difference) String() string {
	var texts []string
	for _, c := range d[:min(len(d), mostInText)] {
		texts = append(texts, c.Text)
	}
	if n := len(d) - mostInText; n > 0 {
		texts = append(texts, fmt.Sprintf("and %d more changes", n))
	}
	if len(d) == 0 {
		return "nothing changed"
	}
	return strings.Join(texts, "; ")
}

// maxChanges is how many changes [Diff] works out. If there are more, one last
// change says how many are not listed.
const maxChanges = 10_000

// Diff returns what changed from one definition to another of the same title.
// Versions are told apart by their version string, extension attributes by their
// key. It takes time in proportion to the size of the two.
func Diff(before, after *Definition) Difference {
	if before == nil {
		before = &Definition{}
	}
	if after == nil {
		after = &Definition{}
	}
	x := &differ{}
	x.value("/id", "id", before.ID, after.ID)
	x.value("/name", "name", before.Name, after.Name)
	x.value("/publisher", "publisher", before.Publisher, after.Publisher)
	x.value("/appName", "app name", before.AppName, after.AppName)
	x.value("/bundleId", "bundle id", before.BundleID, after.BundleID)
	x.list(
		"/requirements",
		"/requirements",
		"requirement",
		items(before.Requirements, criterionItem),
		items(after.Requirements, criterionItem),
	)
	x.patches(before.Patches, after.Patches)
	x.attributes(before.ExtensionAttributes, after.ExtensionAttributes)
	x.extra("", "", before.Extra, after.Extra)
	if x.more > 0 {
		text := fmt.Sprintf("%d more changes are not listed", x.more)
		x.changes = append(x.changes, Change{Kind: Changed, Text: text})
	}
	return x.changes
}

type differ struct {
	changes Difference
	more    int    // changes that are not listed
	version string // that is being compared
}

// add notes a change and returns it, to be completed.
func (x *differ) add(kind ChangeKind, path, format string, args ...any) *Change {
	if len(x.changes) == maxChanges {
		x.more++
		return &Change{}
	}
	x.changes = append(
		x.changes,
		Change{Kind: kind, Path: path, Version: x.version, Text: fmt.Sprintf(format, args...)},
	)
	return &x.changes[len(x.changes)-1]
}

// of says which version a change is about.
func (x *differ) of() string {
	if x.version == "" {
		return ""
	}
	return " of " + shorten(x.version)
}

// value compares two plain values.
func (x *differ) value(path, name string, before, after any) {
	from, errFrom := json.Marshal(before)
	to, errTo := json.Marshal(after)
	if errFrom != nil || errTo != nil || bytes.Equal(from, to) {
		return
	}
	c := x.add(Changed, path, "%s%s changed from %s to %s", name, x.of(), plain(from), plain(to))
	c.From, c.To = from, to
}

// plain writes a value for people: a string without its quotes.
func plain(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil && string(v) != "null" && s != "" {
		return shorten(s)
	}
	return shorten(string(v))
}

// An item is an element of a list: what tells it from others, and what is said of
// it.
type item struct{ key, text string }

// list compares two lists whose elements are told apart by what they say.
func (x *differ) list(was, path, name string, before, after []item) {
	if slices.Equal(before, after) {
		return
	}
	gone, come := subtract(before, after), subtract(after, before)
	for _, i := range gone {
		x.add(Removed, fmt.Sprintf("%s/%d", was, i), "%s%s removed: %s", name, x.of(), shorten(before[i].text))
	}
	for _, i := range come {
		x.add(Added, fmt.Sprintf("%s/%d", path, i), "%s%s added: %s", name, x.of(), shorten(after[i].text))
	}
	// Order means something: criteria are rows that are joined as they stand.
	if !slices.EqualFunc(without(before, gone), without(after, come), func(a, b item) bool { return a.key == b.key }) {
		x.add(Moved, path, "%s%s put in another order", name, x.of())
	}
}

// without returns the items but for those at some indices, which increase.
func without(items []item, indices []int) []item {
	rest := make([]item, 0, len(items)-len(indices))
	for i, it := range items {
		if len(indices) > 0 && indices[0] == i {
			indices = indices[1:]
			continue
		}
		rest = append(rest, it)
	}
	return rest
}

// subtract returns the indices, increasing, of the elements of a that b has no
// more of.
func subtract(a, b []item) (rest []int) {
	count := map[string]int{}
	for _, it := range b {
		count[it.key]++
	}
	for i, it := range a {
		if count[it.key]--; count[it.key] < 0 {
			rest = append(rest, i)
		}
	}
	return rest
}

func items[T any](values []T, of func(T) item) []item {
	all := make([]item, len(values))
	for i, v := range values {
		all[i] = of(v)
	}
	return all
}

func criterionItem(c Criterion) item {
	// Left out, "and" is true.
	if c.And == nil {
		yes := true
		c.And = &yes
	}
	return item{keyOf(c.write), c.text()}
}

func killAppItem(k KillApp) item {
	return item{keyOf(k.write), k.AppName + " (" + k.BundleID + ")"}
}

func componentItem(c Component) item {
	for i := range c.Criteria {
		if i == 0 {
			c.Criteria = slices.Clone(c.Criteria)
		}
		if c.Criteria[i].And == nil {
			yes := true
			c.Criteria[i].And = &yes
		}
	}
	var criteria []string
	for _, r := range c.Criteria {
		criteria = append(criteria, r.text())
	}
	return item{keyOf(c.write), fmt.Sprintf("%s %s (%s)", c.Name, c.Version, strings.Join(criteria, ", "))}
}

// keyOf returns what tells a value from others: how it is written.
func keyOf(write func(*writer)) string {
	b, err := marshal(write)
	if err != nil {
		return err.Error() // of a definition that is not valid
	}
	return string(b)
}

// text says what a criterion says.
func (c Criterion) text() string {
	s := fmt.Sprintf("%s %s %q", c.Name, c.Operator, c.Value)
	if c.Type != "recon" {
		s += " (" + c.Type + ")"
	}
	if c.And != nil && !*c.And {
		s = "or " + s
	}
	return s
}

func (x *differ) patches(before, after []Patch) {
	was := map[string]int{}
	for i := range before {
		was[before[i].Version] = i
	}
	is := map[string]int{}
	for i := range after {
		is[after[i].Version] = i
	}
	for i := range before {
		if v := before[i].Version; !has(is, v) {
			x.version = v
			x.add(Removed, fmt.Sprintf("/patches/%d", i), "version %s removed", shorten(v))
		}
	}
	var common []int // where in before the patches of after were
	for i := range after {
		if j, ok := was[after[i].Version]; ok {
			common = append(common, j)
		}
	}
	stay := longestIncreasing(common)
	for i := range after {
		p := &after[i]
		path := fmt.Sprintf("/patches/%d", i)
		x.version = p.Version
		j, ok := was[p.Version]
		switch {
		case !ok:
			x.add(Added, path, "version %s added %s", shorten(p.Version), stands(after, i))
			continue
		case !stay[j]:
			x.add(Moved, path, "version %s moved %s", shorten(p.Version), stands(after, i))
		}
		x.patch(fmt.Sprintf("/patches/%d", j), path, &before[j], p)
	}
	x.version = ""
}

func has(m map[string]int, key string) bool {
	_, ok := m[key]
	return ok
}

// stands says where a patch stands.
func stands(patches []Patch, i int) string {
	switch i {
	case 0:
		return "in front"
	case len(patches) - 1:
		return "at the end"
	}
	return "behind " + shorten(patches[i-1].Version)
}

// longestIncreasing returns which of some different numbers to keep, as many as
// possible, so that what is kept increases: the others have moved.
func longestIncreasing(numbers []int) map[int]bool {
	var tails []int // index in numbers of the least end of a sequence of each length
	previous := make([]int, len(numbers))
	for i, n := range numbers {
		at, _ := slices.BinarySearchFunc(tails, n, func(t, n int) int { return numbers[t] - n })
		previous[i] = -1
		if at > 0 {
			previous[i] = tails[at-1]
		}
		if at == len(tails) {
			tails = append(tails, i)
		} else {
			tails[at] = i
		}
	}
	keep := map[int]bool{}
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = previous[i] {
			keep[numbers[i]] = true
		}
	}
	return keep
}

func (x *differ) patch(was, path string, before, after *Patch) {
	x.value(path+"/releaseDate", "release date", before.ReleaseDate, after.ReleaseDate)
	x.value(path+"/standalone", "standalone", before.Standalone, after.Standalone)
	x.value(path+"/minimumOperatingSystem", "minimum OS", before.MinimumOperatingSystem, after.MinimumOperatingSystem)
	x.value(path+"/reboot", "reboot", before.Reboot, after.Reboot)
	x.list(
		was+"/killApps",
		path+"/killApps",
		"kill app",
		items(before.KillApps, killAppItem),
		items(after.KillApps, killAppItem),
	)
	if len(before.Components) == 1 && len(after.Components) == 1 {
		b, a := &before.Components[0], &after.Components[0]
		at := path + "/components/0"
		x.value(at+"/name", "component name", b.Name, a.Name)
		x.value(at+"/version", "component version", b.Version, a.Version)
		x.list(
			was+"/components/0/criteria",
			at+"/criteria",
			"criterion",
			items(b.Criteria, criterionItem),
			items(a.Criteria, criterionItem),
		)
		x.extra(was+"/components/0", at, b.Extra, a.Extra)
	} else {
		x.list(was+"/components", path+"/components", "component", items(before.Components, componentItem), items(after.Components, componentItem))
	}
	x.list(
		was+"/capabilities",
		path+"/capabilities",
		"capability",
		items(before.Capabilities, criterionItem),
		items(after.Capabilities, criterionItem),
	)
	x.value(path+"/dependencies", "dependencies", before.Dependencies, after.Dependencies)
	x.extra(was, path, before.Extra, after.Extra)
}

func (x *differ) attributes(before, after []ExtensionAttribute) {
	was := map[string]int{}
	for i := range before {
		was[before[i].Key] = i
	}
	is := map[string]int{}
	for i := range after {
		is[after[i].Key] = i
	}
	for i := range before {
		if !has(is, before[i].Key) {
			x.add(
				Removed,
				fmt.Sprintf("/extensionAttributes/%d", i),
				"extension attribute %s removed",
				shorten(before[i].Key),
			)
		}
	}
	for i := range after {
		a := &after[i]
		path := fmt.Sprintf("/extensionAttributes/%d", i)
		j, ok := was[a.Key]
		if !ok {
			x.add(Added, path, "extension attribute %s added", shorten(a.Key))
			continue
		}
		b := &before[j]
		if b.Value != a.Value {
			x.add(Changed, path+"/value", "script of extension attribute %s changed", shorten(a.Key))
		}
		x.value(
			path+"/displayName",
			"display name of extension attribute "+shorten(a.Key),
			b.DisplayName,
			a.DisplayName,
		)
		x.extra(fmt.Sprintf("/extensionAttributes/%d", j), path, b.Extra, a.Extra)
	}
	attributeItem := func(a ExtensionAttribute) item { return item{key: a.Key} }
	b, a := items(before, attributeItem), items(after, attributeItem)
	if !slices.Equal(without(b, subtract(b, a)), without(a, subtract(a, b))) {
		x.add(Moved, "/extensionAttributes", "extension attributes put in another order")
	}
}

// extra compares members that have no field of their own. Their order does not
// count.
func (x *differ) extra(from, path string, before, after []Field) {
	values := func(fields []Field) map[string]json.RawMessage {
		m := make(map[string]json.RawMessage, len(fields))
		for _, f := range fields {
			m[f.Name] = f.Value
		}
		return m
	}
	was, is := values(before), values(after)
	at := func(name string) string { return path + "/" + pointerEscaper.Replace(name) }
	for _, f := range before {
		if is[f.Name] == nil {
			x.add(Removed, from+"/"+pointerEscaper.Replace(f.Name), "%s%s removed", shorten(f.Name), x.of()).From = f.Value
		}
	}
	for _, f := range after {
		if old := was[f.Name]; old != nil {
			x.value(at(f.Name), shorten(f.Name), old, f.Value)
		} else {
			x.add(Added, at(f.Name), "%s%s added: %s", shorten(f.Name), x.of(), shorten(string(f.Value))).To = f.Value
		}
	}
}
