package patch

import "strings"

// A truth is the value of a criterion in three-valued logic: AND is the minimum, OR the maximum.
type truth uint8

const (
	no truth = iota
	unknown
	yes
)

// truthOf returns the truth of a comparison.
func truthOf(matches, negated bool) truth {
	if matches != negated {
		return yes
	}
	return no
}

// A verdict is the result of a list of criteria.
type verdict struct {
	truth truth
	// row is the index of the rule that decided, or -1.
	row int
	// app is the index of the application that it is about, or -1.
	app int
	// matched is the number of rules that matched. Of the applications that do not match, Why names the closest.
	matched int
	// grouped is the truth if AND came before OR, and ambiguous whether that differs from truth.
	grouped   truth
	ambiguous bool
}

// match evaluates a list of criteria for a computer.
func (e *evaluator) match(l *ruleList, c *Computer) verdict {
	e.computed = e.computed[:0]
	for i := range l.rules {
		t := unknown
		if r := &l.rules[i]; !r.fact.ofApplication() || r.wholeList {
			t = e.ofComputer(r, c)
		}
		e.computed = append(e.computed, t)
	}
	if !l.applications || len(c.Applications) == 0 {
		v := e.fold(l, c, -1)
		v.ambiguous = v.truth != v.grouped
		return v
	}
	var best verdict
	grouped := no
	for i := range c.Applications {
		v := e.fold(l, c, i)
		grouped = max(grouped, v.grouped)
		if i == 0 || v.truth > best.truth || v.truth == best.truth && v.matched > best.matched {
			best = v
		}
		if e.err != nil || best.truth == yes && grouped == yes {
			break
		}
	}
	best.grouped, best.ambiguous = grouped, best.truth != grouped
	return best
}

// fold evaluates a list of criteria for one application, or for none if app is -1. The truths of the rules about the
// computer are in e.computed.
func (e *evaluator) fold(l *ruleList, c *Computer, app int) verdict {
	v := verdict{truth: no, row: -1, app: app}
	group := yes
	for i := range l.rules {
		r := &l.rules[i]
		t := e.computed[i]
		if r.fact.ofApplication() && !r.wholeList {
			t = e.ofApplication(r, c, app)
		}
		if t == yes {
			v.matched++
		}
		switch {
		case i == 0:
			v.truth, v.row = t, i
		case r.or && t > v.truth, !r.or && t < v.truth, !r.or && t == yes && v.truth == yes:
			v.truth, v.row = t, i
		}
		if r.or {
			v.grouped = max(v.grouped, group)
			group = yes
		}
		group = min(group, t)
		if !l.or && v.truth == no {
			return v // grouped is no as well
		}
	}
	v.grouped = max(v.grouped, group)
	if len(l.rules) == 0 {
		v.grouped = no
	}
	return v
}

// ofComputer evaluates a rule about a computer as a whole.
func (e *evaluator) ofComputer(r *rule, c *Computer) truth {
	if r.wholeList && r.cannot == "" {
		return e.lacks(r, c)
	}
	value, known := r.ofComputer(c)
	if !known || r.cannot != "" {
		e.spend(1)
		return unknown
	}
	return e.compare(r, value)
}

// lacks evaluates a rule that demands the absence of an application.
func (e *evaluator) lacks(r *rule, c *Computer) truth {
	if c.Applications == nil {
		return unknown
	}
	result := yes
	for i := range c.Applications {
		value, known := r.ofApplication(&c.Applications[i])
		if !known {
			result = min(result, unknown)
		} else {
			result = min(result, e.compare(r, value))
		}
	}
	return result
}

// ofApplication evaluates a rule about one application, or about none if app is -1.
func (e *evaluator) ofApplication(r *rule, c *Computer, app int) truth {
	if app < 0 {
		e.spend(1)
		if c.Applications == nil || r.cannot != "" {
			return unknown
		}
		return no
	}
	value, known := r.ofApplication(&c.Applications[app])
	if !known || r.cannot != "" {
		e.spend(1)
		return unknown
	}
	return e.compare(r, value)
}

// ofComputer returns the computer's value of a rule's fact.
func (r *rule) ofComputer(c *Computer) (value string, known bool) {
	switch {
	case r.fact == factAttribute:
		value, known = c.ExtensionAttributes[r.Name]
	case r.fact == factOS && c.OSVersion != "":
		return c.OSVersion, true
	default:
		value, known = c.Facts[r.Name]
	}
	return value, known
}

// ofApplication returns an application's value of a rule's fact.
func (r *rule) ofApplication(a *InstalledApplication) (value string, known bool) {
	switch r.fact {
	case factTitle:
		value = a.Name
	case factBundle:
		value = a.BundleID
	case factVersion:
		value = a.Version
	}
	return value, value != ""
}

// compare compares a value with that of a rule that can be evaluated.
func (e *evaluator) compare(r *rule, value string) truth {
	cost := 1 + len(value)/32
	switch r.comparison {
	case compareIs:
		e.spend(cost)
		return truthOf(value == r.Value, r.negated)
	case compareLike:
		e.spend(cost + len(r.Value)/32)
		return truthOf(strings.Contains(value, r.Value), r.negated)
	case compareRegex:
		if !e.spend(r.regexSize * (1 + len(value))) {
			return unknown
		}
		return truthOf(r.regex.MatchString(value), r.negated)
	case compareNumeric, compareMore, compareLess:
		e.spend(cost)
		return r.compareNumber(value)
	}
	e.spend(4 + (len(value)+len(r.Value))/4)
	return truthOf(r.ordered(CompareVersions(value, r.Value)), false)
}

// ordered reports whether the order of a computer's version and that of the rule matches.
func (r *rule) ordered(order int) bool {
	switch r.comparison {
	case compareAbove:
		return order > 0
	case compareAtLeast:
		return order >= 0
	case compareBelow:
		return order < 0
	}
	return order <= 0
}

// compareNumber compares a number with that of a rule.
func (r *rule) compareNumber(value string) truth {
	n, ok := parseNumber(value)
	if !ok {
		return unknown
	}
	switch r.comparison {
	case compareMore:
		return truthOf(n > r.number, false)
	case compareLess:
		return truthOf(n < r.number, false)
	}
	return truthOf(n == r.number, r.negated)
}
