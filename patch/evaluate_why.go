package patch

import (
	"fmt"
	"strconv"
	"strings"
)

// maxQuote is the maximum length in bytes of a value in a sentence.
const maxQuote = 100

// shortQuote returns a value in quotes, shortened.
func shortQuote(s string) string {
	if len(s) > maxQuote {
		s = strings.ToValidUTF8(s[:maxQuote], "") + "…"
	}
	return strconv.Quote(s)
}

// ambiguity is the sentence about a result that depends on the precedence of AND and OR.
const ambiguity = "The result of the %s would be different if AND came before OR; Jamf does not document the order, " +
	"and the criteria were joined from the first to the last."

// explainRequirements adds the reasons for which a title is installed or not.
func explainRequirements(why []string, l *ruleList, c *Computer, v verdict) []string {
	if len(l.rules) == 0 {
		return append(why, "Not installed: the title has no requirements.")
	}
	reason := l.reason(c, v)
	switch v.truth {
	case yes:
		why = append(why, "Installed: the requirements match. "+reason)
	case no:
		why = append(why, "Not installed: the requirements do not match. "+reason)
	default:
		why = append(why, "Whether the title is installed cannot be told. "+reason)
	}
	return explainAmbiguity(why, "requirements", v)
}

func explainAmbiguity(why []string, what string, v verdict) []string {
	if v.ambiguous {
		why = append(why, fmt.Sprintf(ambiguity, what))
	}
	return why
}

// explainVersion adds the reason for which a version is reported.
func explainVersion(why []string, p *rulePatch, l *ruleList, c *Computer, v verdict) []string {
	why = append(why, fmt.Sprintf("Version %s: its component matches. %s", shortQuote(p.version), l.reason(c, v)))
	return explainAmbiguity(why, "component of version "+shortQuote(p.version), v)
}

// explainUnsure adds the reason for which a version that is not reported may be installed.
func explainUnsure(why []string, p *rulePatch, l *ruleList, c *Computer, v verdict) []string {
	if v.truth == unknown {
		why = append(why, fmt.Sprintf("Whether the computer has version %s cannot be told. %s",
			shortQuote(p.version), l.reason(c, v)))
	}
	return explainAmbiguity(why, "component of version "+shortQuote(p.version), v)
}

// explainNoVersion adds the reason for which no version is reported, by the example of the newest one. If told is true,
// a sentence about that one exists.
func explainNoVersion(why []string, p *rulePatch, l *ruleList, c *Computer, v verdict, told bool) []string {
	s := "The version is unknown: no version's component matches for certain."
	switch {
	case told:
	case l == nil || len(l.rules) == 0:
		s += fmt.Sprintf(" The newest version, %s, has no criteria that could match.", shortQuote(p.version))
	default:
		s += fmt.Sprintf(" For the newest version, %s: %s", shortQuote(p.version), l.reason(c, v))
	}
	return append(why, s)
}

// explainCapabilities adds the reasons for which a computer can run the newest version or not.
func explainCapabilities(why []string, p *rulePatch, c *Computer, v verdict) []string {
	version := shortQuote(p.version)
	if v.row < 0 {
		return append(why, fmt.Sprintf("Eligible for version %s: it has no capabilities.", version))
	}
	reason := p.capabilities.reason(c, v)
	switch v.truth {
	case yes:
		why = append(why, fmt.Sprintf("Eligible for version %s: the capabilities match. %s", version, reason))
	case no:
		why = append(why, fmt.Sprintf("Not eligible for version %s: the capabilities do not match. %s",
			version, reason))
	default:
		why = append(why, fmt.Sprintf("Whether the computer is eligible for version %s cannot be told. %s",
			version, reason))
	}
	return explainAmbiguity(why, "capabilities of version "+version, v)
}

// reason returns a sentence about the criterion that decided.
func (l *ruleList) reason(c *Computer, v verdict) string {
	if v.row < 0 {
		return "It has no criteria."
	}
	r := &l.rules[v.row]
	s := fmt.Sprintf("The criterion %s %s %s decided: ", shortText(r.Name), shortText(r.Operator), shortQuote(r.Value))
	if r.cannot != "" {
		return s + r.cannot + "."
	}
	switch {
	case r.wholeList:
		return s + r.lackReason(c, v.truth)
	case r.fact.ofApplication():
		return s + r.applicationReason(c, v)
	}
	value, known := r.ofComputer(c)
	if !known {
		return s + "the computer does not give this value."
	}
	return s + "the computer has " + shortQuote(value) + r.remark(value, v.truth) + "."
}

// lackReason returns the end of the sentence about an application that must be absent.
func (r *rule) lackReason(c *Computer, t truth) string {
	switch {
	case c.Applications == nil:
		return "the computer does not give its applications."
	case t == yes:
		return "the computer has no such application."
	case t == no:
		return "the computer has such an application."
	}
	return "the computer has applications without a name."
}

// applicationReason returns the end of the sentence about one application.
func (r *rule) applicationReason(c *Computer, v verdict) string {
	switch {
	case c.Applications == nil:
		return "the computer does not give its applications."
	case v.app < 0:
		return "the computer has no applications."
	}
	a := &c.Applications[v.app]
	value, known := r.ofApplication(a)
	switch {
	case !known:
		return "the application " + a.label() + " does not give this value."
	case v.truth == no && v.matched == 0 && len(c.Applications) > 1:
		return fmt.Sprintf("none of the computer's %d applications matches%s.",
			len(c.Applications), r.remark(value, v.truth))
	}
	return "the application " + a.label() + " has " + shortQuote(value) + r.remark(value, v.truth) + "."
}

// remark returns a remark on a comparison whose result may be another in Jamf Pro.
func (r *rule) remark(value string, t truth) string {
	switch {
	case r.comparison == compareIs && value != r.Value && len(value) <= maxQuote && strings.EqualFold(value, r.Value):
		return ", which differs only in case; Jamf does not document whether case matters"
	case t == unknown && (r.comparison == compareNumeric || r.comparison == compareMore || r.comparison == compareLess):
		return ", which is not a number"
	}
	return ""
}

// label returns a name for an application.
func (a *InstalledApplication) label() string {
	for _, s := range []string{a.Name, a.BundleID} {
		if s != "" {
			return shortQuote(s)
		}
	}
	return "without a name"
}

// shortText returns a text without quotes, shortened.
func shortText(s string) string {
	q := shortQuote(s)
	return q[1 : len(q)-1]
}
