package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A ChangeKind is the kind of a [Change].
type ChangeKind string

// The kinds of changes.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
	Moved   ChangeKind = "moved"
)

// A Change is one difference between two definitions.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Path is the JSON Pointer (RFC 6901) of the part: in the later definition, or in the earlier one if the part was
	// removed.
	Path string `json:"path"`
	// Version is the version that the change is about. If empty, it is about the title itself.
	Version string `json:"version,omitempty"`
	// From and To are the part's JSON before and after the change, if it is a plain value.
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
	// Text describes the change, such as "minimum OS of 9.3 changed from 10.12 to 10.13".
	Text string `json:"text"`
}

// A Difference lists the changes between two definitions, other than those of lastModified and currentVersion, which
// follow from the rest.
type Difference []Change

// maxInText is the maximum number of changes that String describes.
const maxInText = 20

// String describes the changes in one line, separated by semicolons.
func (d Difference) String() string {
	if len(d) == 0 {
		return "nothing changed"
	}
	var texts []string
	for _, c := range d[:min(len(d), maxInText)] {
		texts = append(texts, c.Text)
	}
	if n := len(d) - maxInText; n > 0 {
		texts = append(texts, fmt.Sprintf("and %d more changes", n))
	}
	return strings.Join(texts, "; ")
}

// maxChanges is the maximum number of changes that Diff lists.
const maxChanges = 10_000

// Diff returns the changes from one definition to another of the same title. Versions are identified by their version
// string, extension attributes by their key. At most 10,000 changes are listed; if there are more, one last change has
// their number. The time is proportional to the size of the two. A nil definition counts as an empty one.
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
	x.criteria("/requirements", "/requirements", "requirement", before.Requirements, after.Requirements)
	x.patches(before.Patches, after.Patches)
	x.attributes(before.ExtensionAttributes, after.ExtensionAttributes)
	x.extra("", "", before.Extra, after.Extra)
	if x.unlisted > 0 {
		text := fmt.Sprintf("%d more changes are not listed", x.unlisted)
		x.changes = append(x.changes, Change{Kind: Changed, Text: text})
	}
	return x.changes
}

// A differ collects changes.
type differ struct {
	changes  Difference
	unlisted int    // number of changes beyond maxChanges
	version  string // the version that is being compared; empty for the title itself
}

// add adds a change and returns it, so that the caller can complete it.
func (x *differ) add(kind ChangeKind, path, format string, args ...any) *Change {
	if len(x.changes) == maxChanges {
		x.unlisted++
		return &Change{}
	}
	text := fmt.Sprintf(format, args...)
	x.changes = append(x.changes, Change{Kind: kind, Path: path, Version: x.version, Text: text})
	return &x.changes[len(x.changes)-1]
}

// of returns " of " and the version that is being compared, if there is one.
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

// plain returns JSON as text for people: a string without its quotes.
func plain(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil && string(v) != "null" && s != "" {
		return shorten(s)
	}
	return shorten(string(v))
}

// extra compares members without a field of their own. Their order does not matter.
func (x *differ) extra(pathBefore, path string, before, after []Field) {
	values := func(fields []Field) map[string]json.RawMessage {
		m := make(map[string]json.RawMessage, len(fields))
		for _, f := range fields {
			m[f.Name] = f.Value
		}
		return m
	}
	old, current := values(before), values(after)
	at := func(path, name string) string { return path + "/" + pointerEscaper.Replace(name) }
	for _, f := range before {
		if current[f.Name] == nil {
			x.add(Removed, at(pathBefore, f.Name), "%s%s removed", shorten(f.Name), x.of()).From = f.Value
		}
	}
	for _, f := range after {
		if v := old[f.Name]; v != nil {
			x.value(at(path, f.Name), shorten(f.Name), v, f.Value)
		} else {
			c := x.add(Added, at(path, f.Name), "%s%s added: %s", shorten(f.Name), x.of(), shorten(string(f.Value)))
			c.To = f.Value
		}
	}
}

// attributes compares the extension attributes.
func (x *differ) attributes(before, after []ExtensionAttribute) {
	key := func(a *ExtensionAttribute) string { return a.Key }
	old, current := indexBy(before, key), indexBy(after, key)
	const list = "/extensionAttributes"
	for i := range before {
		if _, ok := current[before[i].Key]; !ok {
			x.add(Removed, fmt.Sprintf("%s/%d", list, i), "extension attribute %s removed", shorten(before[i].Key))
		}
	}
	for i := range after {
		a := &after[i]
		path, name := fmt.Sprintf("%s/%d", list, i), shorten(a.Key)
		j, ok := old[a.Key]
		if !ok {
			x.add(Added, path, "extension attribute %s added", name)
			continue
		}
		b := &before[j]
		if b.Value != a.Value {
			x.add(Changed, path+"/value", "script of extension attribute %s changed", name)
		}
		x.value(path+"/displayName", "display name of extension attribute "+name, b.DisplayName, a.DisplayName)
		x.extra(fmt.Sprintf("%s/%d", list, j), path, b.Extra, a.Extra)
	}
	attributeItem := func(a ExtensionAttribute) item { return item{key: a.Key} }
	b, a := items(before, attributeItem), items(after, attributeItem)
	if !slices.Equal(without(b, subtract(b, a)), without(a, subtract(a, b))) {
		x.add(Moved, list, "extension attributes put in another order")
	}
}

// indexBy returns the index of each value by its key; of several with one key, that of the last.
func indexBy[T any](values []T, key func(*T) string) map[string]int {
	m := make(map[string]int, len(values))
	for i := range values {
		m[key(&values[i])] = i
	}
	return m
}
