package patch

import (
	"fmt"
	"slices"
	"strings"
)

// An item is an element of a list: the key by which it is compared, and its description.
type item struct{ key, text string }

// criteria compares two lists of criteria.
func (x *differ) criteria(pathBefore, path, name string, before, after []Criterion) {
	x.list(pathBefore, path, name, items(before, criterionItem), items(after, criterionItem))
}

// list compares two lists whose elements are identified by their content.
func (x *differ) list(pathBefore, path, name string, before, after []item) {
	if slices.Equal(before, after) {
		return
	}
	removed, added := subtract(before, after), subtract(after, before)
	for _, i := range removed {
		x.add(Removed, fmt.Sprintf("%s/%d", pathBefore, i), "%s%s removed: %s", name, x.of(), shorten(before[i].text))
	}
	for _, i := range added {
		x.add(Added, fmt.Sprintf("%s/%d", path, i), "%s%s added: %s", name, x.of(), shorten(after[i].text))
	}
	// The order matters: criteria are rows, each joined to the one before.
	sameKey := func(a, b item) bool { return a.key == b.key }
	if !slices.EqualFunc(without(before, removed), without(after, added), sameKey) {
		x.add(Moved, path, "%s%s put in another order", name, x.of())
	}
}

// without returns the items other than those at some indices, which increase.
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

// subtract returns the indices, increasing, of the elements of a that remain after those of b are taken away, each
// once.
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
	c.And = joinedBy(c.And)
	return item{keyOf(c.write), c.text()}
}

func killAppItem(k KillApp) item {
	return item{keyOf(k.write), k.AppName + " (" + k.BundleID + ")"}
}

func componentItem(c Component) item {
	c.Criteria = slices.Clone(c.Criteria)
	texts := make([]string, len(c.Criteria))
	for i := range c.Criteria {
		c.Criteria[i].And = joinedBy(c.Criteria[i].And)
		texts[i] = c.Criteria[i].text()
	}
	return item{keyOf(c.write), fmt.Sprintf("%s %s (%s)", c.Name, c.Version, strings.Join(texts, ", "))}
}

// joinedBy returns and, or what its absence means.
func joinedBy(and *bool) *bool {
	if and == nil {
		yes := true
		return &yes
	}
	return and
}

// keyOf returns the JSON of a value as the key by which it is compared.
func keyOf(write func(*writer)) string {
	b, err := marshal(write)
	if err != nil {
		return err.Error() // the definition is invalid
	}
	return string(b)
}

// text describes a criterion.
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
