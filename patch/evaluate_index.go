package patch

import "slices"

// A ruleIndex finds the patches that may match a computer. Most patches demand one exact version of an application, or
// one exact value of an extension attribute; only those whose value the computer has are evaluated.
type ruleIndex struct {
	count int
	// always are the patches without an exact value.
	always []int
	// byVersion are the patches by the version of an application that they demand.
	byVersion valueIndex
	// byAttribute are the patches by the key and the value of an extension attribute that they demand.
	byAttribute map[string]*valueIndex
	// bundles and titles are the identifiers and the names that the patches in byVersion demand. If nil, not all of
	// them demand one.
	bundles, titles map[string]bool
	found           []int // reused
}

// A valueIndex has the patches that demand a value of one fact.
type valueIndex struct {
	all     []int
	byValue map[string][]int
}

func (x *valueIndex) add(value string, patch int) {
	if x.byValue == nil {
		x.byValue = map[string][]int{}
	}
	x.all = append(x.all, patch)
	x.byValue[value] = append(x.byValue[value], patch)
}

// newRuleIndex indexes patches. If exhaustive is true, every patch may match every computer.
func newRuleIndex(patches []rulePatch, exhaustive bool) ruleIndex {
	x := ruleIndex{
		count:       len(patches),
		byAttribute: map[string]*valueIndex{},
		bundles:     map[string]bool{},
		titles:      map[string]bool{},
	}
	for i := range patches {
		x.add(i, &patches[i], exhaustive)
	}
	return x
}

func (x *ruleIndex) add(i int, p *rulePatch, exhaustive bool) {
	if exhaustive || len(p.components) != 1 || p.components[0].or {
		x.always = append(x.always, i)
		return
	}
	l := &p.components[0]
	if r := l.exact(factVersion); r != nil {
		x.byVersion.add(r.Value, i)
		x.bundles = demand(x.bundles, l.exact(factBundle))
		x.titles = demand(x.titles, l.exact(factTitle))
		return
	}
	if r := l.exact(factAttribute); r != nil {
		if x.byAttribute[r.Name] == nil {
			x.byAttribute[r.Name] = &valueIndex{}
		}
		x.byAttribute[r.Name].add(r.Value, i)
		return
	}
	x.always = append(x.always, i)
}

// exact returns a rule that demands one exact value of a fact, or nil.
func (l *ruleList) exact(fact factKind) *rule {
	for i := range l.rules {
		r := &l.rules[i]
		if r.fact == fact && r.comparison == compareIs && !r.negated && r.cannot == "" {
			return r
		}
	}
	return nil
}

// demand adds the value that a rule demands to values. It returns nil if there is no such rule.
func demand(values map[string]bool, r *rule) map[string]bool {
	if values == nil || r == nil {
		return nil
	}
	values[r.Value] = true
	return values
}

// candidates returns the patches that may match a computer, or of which that is unknown, newest first. The result is
// valid until the next call.
func (x *ruleIndex) candidates(s *steps, c *Computer) []int {
	x.found = append(x.found[:0], x.always...)
	if len(x.byVersion.all) > 0 {
		x.findVersions(s, c)
	}
	for key, values := range x.byAttribute {
		if value, known := c.ExtensionAttributes[key]; known {
			x.found = append(x.found, values.byValue[value]...)
		} else {
			x.found = append(x.found, values.all...)
		}
		s.spend(1)
	}
	s.spend(len(x.found))
	slices.Sort(x.found)
	x.found = slices.Compact(x.found)
	return x.found
}

// findVersions finds the patches that demand the version of one of the computer's applications.
func (x *ruleIndex) findVersions(s *steps, c *Computer) {
	if c.Applications == nil {
		x.found = append(x.found, x.byVersion.all...)
		return
	}
	s.spend(len(c.Applications))
	whole := false // all patches have been added
	for i := range c.Applications {
		a := &c.Applications[i]
		switch {
		case excluded(x.bundles, a.BundleID) || excluded(x.titles, a.Name):
		case a.Version != "":
			x.found = append(x.found, x.byVersion.byValue[a.Version]...)
		case !whole:
			whole = true
			x.found = append(x.found, x.byVersion.all...)
		}
		if len(x.found) > 2*x.count+64 { // many applications of one version
			slices.Sort(x.found)
			s.spend(len(x.found))
			x.found = slices.Compact(x.found)
		}
	}
}

// excluded reports whether a known value is none of those that are demanded.
func excluded(demanded map[string]bool, value string) bool {
	return demanded != nil && value != "" && !demanded[value]
}
