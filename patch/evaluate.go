package patch

import (
	"context"
	"errors"
)

// ErrTooManySteps means that an evaluation would take more steps than [EvaluateOptions.MaxSteps].
var ErrTooManySteps = errors.New("too many steps")

// DefaultMaxSteps is the default of [EvaluateOptions.MaxSteps]. That many steps take a few seconds.
const DefaultMaxSteps = 200_000_000

// A Computer is what Jamf Pro's inventory knows of a computer. Its JSON is that of POST /api/v1/evaluate.
type Computer struct {
	// Name identifies the computer in the result.
	Name string `json:"name"`
	// OSVersion is the version of macOS, such as "14.1". If empty, it is unknown.
	OSVersion string `json:"os_version,omitempty"`
	// Applications are the installed applications. If nil, they are unknown; an empty list means that there are none.
	Applications []InstalledApplication `json:"applications"`
	// ExtensionAttributes are the values of the title's extension attributes by key. The value of a missing key is
	// unknown; an empty value is known to be empty.
	ExtensionAttributes map[string]string `json:"extension_attributes,omitempty"`
	// Facts are other facts of the inventory by the name of their criterion, such as "Architecture Type". The value of
	// a missing name is unknown.
	Facts map[string]string `json:"facts,omitempty"`
}

// An InstalledApplication is an installed application. An empty field is unknown.
type InstalledApplication struct {
	Name     string `json:"name"`      // the bundle's file name, such as "Composer.app"
	BundleID string `json:"bundle_id"` // such as "com.jamfsoftware.Composer"
	Version  string `json:"version"`
}

// An Evaluation is what Jamf Pro would report for a computer.
type Evaluation struct {
	// Name is the name of the computer.
	Name string
	// Installed reports whether the requirements match.
	Installed bool
	// Version is the newest version whose component matches. If empty, the title is not installed or its version is
	// unknown.
	Version string
	// Latest reports whether Version is the newest version of the title.
	Latest bool
	// Eligible reports whether the capabilities of the newest version match, whether or not the title is installed.
	Eligible bool
	// Why explains the result in sentences: the criteria that decided, and what cannot be told.
	Why []string
}

// EvaluateOptions are options of [EvaluateContext]. Nil means the zero value.
type EvaluateOptions struct {
	// MaxSteps bounds the work. A comparison takes one step, and more for long values; matching a regular expression
	// takes up to a step for each instruction and byte. The default is [DefaultMaxSteps]; a negative number means no
	// limit.
	MaxSteps int
	// exhaustive evaluates every patch for every computer instead of those that the index finds. Tests compare both.
	exhaustive bool
}

// Evaluate returns what Jamf Pro would report for computers, in their order: whether they have the title, in which
// version, and whether they can run the newest one. With it, a definition can be tested as any other code; see the
// example. It is [EvaluateContext] without options.
func Evaluate(d *Definition, computers []Computer) ([]Evaluation, error) {
	return EvaluateContext(context.Background(), d, computers, nil)
}

// EvaluateContext is like [Evaluate] but stops when ctx ends, and then returns the error of ctx. It returns
// [ErrTooManySteps] if the work exceeds opts.MaxSteps, and [ErrInvalid] if d is nil. In both cases there is no result.
// Disabled patches are not considered. d and computers must not be changed meanwhile; they are only read.
//
// Jamf documents these rules:
//
//   - The requirements find the computers that have a title, the criteria of a component those that have a version,
//     and the capabilities those that can run it.
//   - "is" compares exactly, "like" finds the value anywhere, and "has" and "does not have" ask for the presence of an
//     application. "not" and "does not" invert.
//
// Jamf does not document the following rules. They are assumed:
//
//   - Criteria are joined from the first to the last: "and": false joins a criterion to the result of all before it by
//     OR, anything else by AND. The value of the first criterion is ignored. Definitions have no parentheses. Where a
//     computer's result would be different if AND came before OR, Why says so.
//   - Criteria about applications ("Application Title", "Application Bundle ID", "Application Version") in one list are
//     about one application at a time: one application has to match the whole list. "does not have" is about all of
//     the computer's applications. Without applications, every other criterion about one fails, negative ones too.
//   - "greater than" and its relatives compare versions in the order of [CompareVersions], so that 10.15 is above 10.9
//     and 14 equals 14.0. "is" compares versions as text.
//   - "more than" and "less than" compare numbers, and so do "is" and "is not" for facts that are numbers.
//   - Comparisons distinguish upper and lower case. If that decides, Why says so. In "like", % and _ have no meaning.
//   - A regular expression matches anywhere in the value unless it is anchored. An expression that Go's engine cannot
//     compile, or that is too long or too expensive, cannot be evaluated.
//   - The newest patch whose component matches is the version. Jamf Pro supports one component; if there are more, all
//     have to match. A patch without criteria in its components matches no computer, and one without capabilities
//     every computer.
//
// Anything that a computer does not give is unknown, as is every criterion that Jamf Pro does not offer. Unknown
// criteria count only if the others do not decide, and then the result is false and Why names them. How Jamf Pro
// treats a value that is missing in its own inventory is not known.
func EvaluateContext(
	ctx context.Context, d *Definition, computers []Computer, opts *EvaluateOptions,
) ([]Evaluation, error) {
	if d == nil {
		return nil, errNilDefinition
	}
	if opts == nil {
		opts = &EvaluateOptions{}
	}
	e := newEvaluator(ctx, d, opts)
	results := make([]Evaluation, 0, len(computers))
	for i := range computers {
		result := e.evaluate(&computers[i])
		if e.err != nil {
			return nil, e.err
		}
		results = append(results, result)
	}
	return results, nil
}

// An evaluator is a definition that is prepared for the evaluation of many computers.
type evaluator struct {
	steps
	requirements ruleList
	patches      []rulePatch // the enabled ones
	index        ruleIndex
	computed     []truth // of the rules of a list that are about the computer; reused
}

// newEvaluator prepares a definition.
func newEvaluator(ctx context.Context, d *Definition, opts *EvaluateOptions) *evaluator {
	e := &evaluator{steps: newSteps(ctx, opts.MaxSteps)}
	c := newRuleCompiler(d, &e.steps)
	e.requirements = c.list(d.Requirements)
	for i := range d.Patches {
		if !d.Patches[i].Disabled {
			e.patches = append(e.patches, c.patch(&d.Patches[i]))
		}
	}
	e.index = newRuleIndex(e.patches, opts.exhaustive)
	return e
}

// evaluate returns the result for one computer. It is meaningless if e.err is set.
func (e *evaluator) evaluate(c *Computer) Evaluation {
	result := Evaluation{Name: c.Name}
	e.spend(1)
	installed := e.match(&e.requirements, c)
	result.Installed = installed.truth == yes
	result.Why = explainRequirements(result.Why, &e.requirements, c, installed)
	if len(e.patches) == 0 {
		result.Why = append(result.Why, "The title has no enabled version.")
		return result
	}
	if result.Installed {
		e.findVersion(&result, c)
	}
	newest := &e.patches[0]
	eligible := verdict{truth: yes, row: -1, app: -1}
	if len(newest.capabilities.rules) > 0 {
		eligible = e.match(&newest.capabilities, c)
	}
	result.Eligible = eligible.truth == yes
	result.Why = explainCapabilities(result.Why, newest, c, eligible)
	return result
}

// findVersion sets the version of an installed title.
func (e *evaluator) findVersion(result *Evaluation, c *Computer) {
	found, unsure := -1, -1
	for _, i := range e.index.candidates(&e.steps, c) {
		v, component := e.matchPatch(&e.patches[i], c)
		if v.truth == yes {
			found = i
			result.Why = explainVersion(result.Why, &e.patches[i], component, c, v)
			break
		}
		if unsure < 0 && (v.truth == unknown || v.ambiguous) {
			unsure = i
			result.Why = explainUnsure(result.Why, &e.patches[i], component, c, v)
		}
		if e.err != nil {
			return
		}
	}
	if found >= 0 {
		result.Version = e.patches[found].version
		result.Latest = found == 0
		return
	}
	v, component := e.matchPatch(&e.patches[0], c)
	result.Why = explainNoVersion(result.Why, &e.patches[0], component, c, v, unsure == 0)
}

// matchPatch evaluates the components of a patch, and returns the verdict of the one that decided.
func (e *evaluator) matchPatch(p *rulePatch, c *Computer) (v verdict, component *ruleList) {
	v = verdict{truth: no, row: -1, app: -1}
	ambiguous := false
	for i := range p.components {
		l := &p.components[i]
		w := verdict{truth: no, row: -1, app: -1}
		if len(l.rules) > 0 {
			w = e.match(l, c)
		}
		ambiguous = ambiguous || w.ambiguous
		if i == 0 || w.truth < v.truth {
			v, component = w, l
		}
		if v.truth == no && !ambiguous {
			break
		}
	}
	v.ambiguous = ambiguous
	return v, component
}
