package releases

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	// maxAdded is the number of newer releases that are added without a person.
	maxAdded = 3
	// maxProposed bounds the versions of a proposal, and those that are held.
	maxProposed = 50
	// clockTolerance is how far ahead of the clock the date of a release may be: feeds without a time zone give the
	// vendor's local date.
	clockTolerance = 26 * time.Hour
)

// Propose compares the releases of a feed with a title, and says which versions to add, to propose and to hold. It is
// the only place that decides this, so that a dry run says what a check does. def is the title's definition, which is
// not changed; s is what [Select] has left of the feed; seen is what the watch remembers; lint may be nil.
//
// A release is added if it is newer than every version of the title, in the same form as they are or as the policy
// expects it, released in the past for a macOS version that exists, and if the definition with it is valid and has no
// new kinds of warnings. At most three are added at a time. All others are proposed. A version that a person removed or
// rejected is skipped, in every spelling. So is one whose patch cannot be made, or would be invalid.
//
// The error is recipe.ErrForm if no version of the title can be made from the one before, or patch.ErrInvalid if the
// definition would be invalid with any further version.
func Propose(
	def *patch.Definition, w recipe.Watch, s Selection, seen Seen, now time.Time, lint *patch.LintOptions,
) (*Plan, error) {
	p := &planner{def: def, watch: w, now: now, lint: lint, seen: seen.sorted(), plan: &Plan{}}
	if newest, ok := s.Newest(); ok {
		p.plan.Newest = &newest
	}
	switch {
	case w.Policy.Mode == recipe.Off:
		p.plan.Note = "the policy is off: the feed is not followed"
		return p.plan, nil
	case len(def.Patches) == 0:
		return nil, fmt.Errorf("%w: the title has no version that the next one can be made from", recipe.ErrForm)
	}
	if err := p.readTitle(); err != nil {
		return nil, err
	}
	p.readForms(s.Releases)
	candidates := p.candidates(s.Releases)
	if len(candidates) == 0 {
		p.plan.Note = p.noteNothing(&s)
		return p.plan, nil
	}
	p.sortOut(candidates)
	if err := p.complete(); err != nil {
		return nil, err
	}
	return p.plan, nil
}

// A planner makes a [Plan].
type planner struct {
	def    *patch.Definition
	watch  recipe.Watch
	now    time.Time
	lint   *patch.LintOptions
	seen   sortedSeen
	newest *patch.Patch // of the title, by version order
	// released is the date of newest. If zero, it has none.
	released time.Time
	had      []patch.Version // those of the title, sorted
	forms    *forms
	expect   *matcher
	plan     *Plan
	// add and ask are the steps that go into Plan.Add and Plan.Proposal, the oldest first. Those of ask have reasons
	// against them.
	add, ask []Step
	left     int // releases that were left out of the proposal
	// unusable is the last release that was skipped because it cannot be added. If nil, there is none.
	unusable *Dropped
}

// readTitle reads the versions of the title.
func (p *planner) readTitle() (err error) {
	for i := range p.def.Patches {
		p.had = append(p.had, patch.ParseVersion(p.def.Patches[i].Version))
	}
	slices.SortFunc(p.had, patch.Version.Order)
	last := p.had[len(p.had)-1].String()
	p.newest = &p.def.Patches[p.def.FindPatch(last)]
	p.released, _ = patch.ParseTime(p.newest.ReleaseDate)
	p.forms = formsOf(p.had)
	p.expect, err = newMatcher(p.watch.Policy.Expect)
	return err
}

// readForms adds the forms of the feed's releases that are not newer than the title's newest version, if that is one of
// them: the feed writes versions as the title does, and a title that was created with 142.0 does not know 142.0.1 yet.
func (p *planner) readForms(releases []recipe.Release) {
	last := p.had[len(p.had)-1]
	at, ok := slices.BinarySearchFunc(releases, last, func(r recipe.Release, v patch.Version) int {
		return v.Compare(patch.ParseVersion(r.Version)) // the newest comes first
	})
	if !ok {
		return
	}
	for _, r := range releases[at:min(len(releases), at+formVersions)] {
		p.forms.learn(r.Version, p.forms.listed)
	}
}

// candidates returns the releases that are newer than all versions of the title, the oldest first. releases are the
// newest first.
func (p *planner) candidates(releases []recipe.Release) (newer []recipe.Release) {
	last := p.had[len(p.had)-1]
	for _, r := range releases {
		if r.Prerelease && !p.watch.Feed.Prereleases {
			continue
		}
		if patch.ParseVersion(r.Version).Compare(last) <= 0 {
			break
		}
		newer = append(newer, r)
	}
	slices.Reverse(newer)
	return newer
}

// noteNothing explains that the feed lists nothing newer.
func (p *planner) noteNothing(s *Selection) string {
	last := p.had[len(p.had)-1]
	switch newest := p.plan.Newest; {
	case newest == nil:
		return "the feed " + s.WhyNone()
	case patch.ParseVersion(newest.Version).Compare(last) == 0:
		return fmt.Sprintf("the title has the newest release, %s", newest.Version)
	default:
		return fmt.Sprintf("the newest release of the feed, %s, is older than version %s of the title",
			newest.Version, last)
	}
}

// sortOut decides about each release.
func (p *planner) sortOut(candidates []recipe.Release) {
	for _, r := range candidates {
		mark, known := p.seen.find(patch.ParseVersion(r.Version))
		step := Step{Release: r}
		switch {
		case known && mark.Memory == recipe.Rejected:
			p.skip(r, "a person rejected the version")
			continue
		case known && mark.Memory == recipe.Added:
			p.skip(r, "a person removed the version from the title")
			continue
		case known && mark.Memory == recipe.Adding:
			step.Reasons = append(step.Reasons,
				"the server stopped while it added the version, and the title does not have it")
		}
		if held, reason, until := p.isHeld(r, mark, known); held {
			step.Until = until
			step.Reasons = []string{reason}
			p.plan.Held = append(p.plan.Held, step)
			continue
		}
		step.Reasons = append(step.Reasons, p.objections(r)...)
		if len(step.Reasons) > 0 {
			p.ask = append(p.ask, step)
		} else {
			p.add = append(p.add, step)
		}
	}
	p.limit()
}

// skip records a release that is neither added nor proposed.
func (p *planner) skip(r recipe.Release, reason string) {
	p.plan.Skipped = append(p.plan.Skipped, Dropped{Version: r.Version, Reason: reason})
}

// skipUnusable skips a release that cannot be added to the title.
func (p *planner) skipUnusable(r recipe.Release, reason string) {
	p.skip(r, reason)
	p.unusable = &Dropped{Version: r.Version, Reason: reason}
}

// isHeld reports whether a release must wait, why, and until when. Its date counts only if it is later than that of the
// title's newest version: vendors copy items and forget to change the date.
func (p *planner) isHeld(r recipe.Release, mark Mark, known bool) (held bool, reason string, until time.Time) {
	minRollout := 1.0
	if m := p.watch.Policy.MinRollout; m != nil {
		minRollout = *m
	}
	if r.Rollout < minRollout {
		return true, fmt.Sprintf("the vendor offers the version to %s of users, and the policy waits for %s",
			percent(r.Rollout), percent(minRollout)), time.Time{}
	}
	hold := time.Duration(p.watch.Policy.Hold)
	if hold <= 0 {
		return false, "", time.Time{}
	}
	since := p.now // it is listed for the first time
	switch {
	case r.Date.After(p.released) && r.Date.Before(p.now):
		since = r.Date
	case known:
		since = mark.At
	}
	until = since.Add(hold)
	return p.now.Before(until), fmt.Sprintf("the policy holds the version for %s, until %s",
		p.watch.Policy.Hold, until.UTC().Format("2006-01-02 15:04 UTC")), until
}

// percent returns a fraction in per cent.
func percent(fraction float64) string {
	return strconv.FormatFloat(fraction*100, 'f', -1, 64) + " %"
}

// objections returns the reasons for which a person must decide about a release. They are about the release alone.
func (p *planner) objections(r recipe.Release) (reasons []string) {
	if p.expect != nil {
		if !p.expect.matches(r.Version) {
			reasons = append(reasons, fmt.Sprintf("the policy expects versions that match %q, and %s does not",
				p.watch.Policy.Expect, r.Version))
		}
	} else if reason := p.forms.objection(r.Version); reason != "" {
		reasons = append(reasons, reason)
	}
	if r.Date.After(p.now.Add(clockTolerance)) {
		reasons = append(reasons, "the feed says that the version will be released on "+
			r.Date.UTC().Format("2006-01-02")+", which is in the future")
	}
	if r.MinOS != "" && !isMacOS(r.MinOS, p.now) {
		reasons = append(reasons,
			fmt.Sprintf("the feed says that the version needs macOS %s, which does not exist", r.MinOS))
	}
	if p.watch.Policy.Mode == recipe.Propose {
		reasons = append(reasons, "the policy proposes every version")
	}
	return reasons
}

// limit moves all versions into the proposal if too many would be added, and bounds the proposal and the versions that
// are held.
func (p *planner) limit() {
	p.plan.Held = p.plan.Held[max(0, len(p.plan.Held)-maxProposed):]
	if n := len(p.add); n > maxAdded {
		reason := fmt.Sprintf("the feed lists %d newer versions, and at most %d are added at a time", n, maxAdded)
		for i := range p.add {
			p.add[i].Reasons = append(p.add[i].Reasons, reason)
		}
		p.propose(p.add)
		p.add = nil
	}
	p.left = max(0, len(p.ask)-maxProposed)
	p.ask = p.ask[p.left:]
}

// propose adds steps to those that a person decides about, in version order.
func (p *planner) propose(steps []Step) {
	p.ask = append(p.ask, steps...)
	slices.SortStableFunc(p.ask, func(a, b Step) int {
		return patch.OrderVersions(a.Release.Version, b.Release.Version)
	})
}

// complete makes the patches, checks the definition with them, and completes the plan.
func (p *planner) complete() error {
	if err := p.makePatches(); err != nil {
		return err
	}
	if err := p.checkDefinition(); err != nil {
		return err
	}
	p.plan.Add = p.add
	if len(p.ask) > 0 {
		p.plan.Proposal = p.proposal()
	}
	switch {
	case len(p.add)+len(p.ask)+len(p.plan.Held) > 0:
	case p.unusable != nil:
		p.plan.Note = fmt.Sprintf("no newer release can be added; version %s, for example: %s",
			p.unusable.Version, p.unusable.Reason)
	default:
		p.plan.Note = "every newer release was removed or rejected by a person"
	}
	return nil
}

// makePatches makes the patches of all steps. Releases of which no patch can be made are skipped. If that is so for all
// because of the title's form, it is an error.
func (p *planner) makePatches() error {
	var form error // of the newest release that fails because of the title's form
	made := 0
	for _, steps := range []*[]Step{&p.plan.Held, &p.add, &p.ask} {
		kept := (*steps)[:0]
		for _, step := range *steps {
			next, err := recipe.NextPatch(p.newest, &p.watch, step.Release, p.now)
			if err != nil {
				p.skipUnusable(step.Release, err.Error())
			}
			if errors.Is(err, recipe.ErrForm) {
				form = fmt.Errorf("version %s cannot be made: %w", step.Release.Version, err)
			}
			if err == nil {
				step.Patch = next
				kept = append(kept, step)
				made++
			}
		}
		*steps = kept
	}
	if made > 0 {
		return nil
	}
	return form
}

// checkDefinition validates the definition with the new versions. Versions about which lint has new warnings are
// proposed instead of being added.
func (p *planner) checkDefinition() error {
	next, err := p.validDefinition()
	if err != nil {
		return err
	}
	fresh := p.newWarnings(next)
	var clean, doubtful []Step
	for _, step := range p.add {
		if warnings := fresh[step.Patch.Version]; len(warnings) > 0 {
			step.Reasons = append(step.Reasons, warnings...)
			doubtful = append(doubtful, step)
		} else {
			clean = append(clean, step)
		}
	}
	for i := range p.ask {
		p.ask[i].Reasons = append(p.ask[i].Reasons, fresh[p.ask[i].Patch.Version]...)
	}
	p.add = clean
	p.propose(doubtful)
	return nil
}

// newWarnings returns lint's warnings about the new versions of a definition whose kinds the title's newest version
// does not have, by version.
func (p *planner) newWarnings(next *patch.Definition) map[string][]string {
	opts := patch.LintOptions{}
	if p.lint != nil {
		opts = *p.lint
	}
	opts.Now = p.now
	isNew := make([]bool, len(next.Patches))
	for i := range next.Patches {
		isNew[i] = p.def.FindPatch(next.Patches[i].Version) < 0
	}
	codes := map[string]bool{"future-date": true} // objections has it
	newest := p.def.FindPatch(p.newest.Version)
	opts.Patches = func(i int) bool { return i == newest }
	for _, warning := range patch.Lint(p.def, &opts) {
		codes[warning.Code] = true
	}
	opts.Patches = func(i int) bool { return isNew[i] || i > 0 && isNew[i-1] } // each is compared with the one before it
	fresh := map[string][]string{}
	for _, warning := range patch.Lint(next, &opts) {
		i, ok := patchIndex(warning.Path)
		if ok && i < len(isNew) && isNew[i] && !codes[warning.Code] {
			v := next.Patches[i].Version
			fresh[v] = append(fresh[v], "lint warns: "+warning.Message)
		}
	}
	return fresh
}

// patchIndex returns the index of the patch that a JSON Pointer leads to.
func patchIndex(path string) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/patches/")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0
}

// validDefinition returns the definition with the new versions. Versions with which it would be invalid are skipped.
func (p *planner) validDefinition() (*patch.Definition, error) {
	for {
		next := p.def.Clone()
		var patches []patch.Patch
		for _, steps := range [][]Step{p.add, p.ask} {
			for i := range steps {
				patches = append(patches, steps[i].Patch.Clone())
			}
		}
		if err := next.AddPatches(patch.Ordered(), p.now, patches...); err != nil {
			return nil, fmt.Errorf("the new versions cannot be added: %w", err)
		}
		err := next.ValidateEdit(p.def)
		if err == nil {
			return next, nil
		}
		before := len(p.add) + len(p.ask)
		wrong := invalidVersions(next, err)
		p.add, p.ask = p.withoutInvalid(p.add, wrong), p.withoutInvalid(p.ask, wrong)
		if len(p.add)+len(p.ask) == before {
			return nil, fmt.Errorf("the title would be invalid with the new versions: %w", err)
		}
	}
}

// invalidVersions returns the first failure of each version in a *patch.ValidationError about a definition.
func invalidVersions(def *patch.Definition, err error) map[string]string {
	wrong := map[string]string{}
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return wrong
	}
	for _, failure := range invalid.Failures {
		i, ok := patchIndex(failure.Path)
		if !ok || i >= len(def.Patches) || wrong[def.Patches[i].Version] != "" {
			continue
		}
		member := strings.TrimPrefix(failure.Path, "/patches/"+strconv.Itoa(i)+"/")
		wrong[def.Patches[i].Version] = member + " " + failure.Message
	}
	return wrong
}

// withoutInvalid returns the steps whose versions have no failure, and skips the others.
func (p *planner) withoutInvalid(steps []Step, failures map[string]string) (kept []Step) {
	for _, step := range steps {
		if failure, ok := failures[step.Patch.Version]; ok {
			p.skipUnusable(step.Release, "the title would be invalid with it: "+failure)
		} else {
			kept = append(kept, step)
		}
	}
	return kept
}

// proposal returns the proposal of the versions that a person decides about.
func (p *planner) proposal() *recipe.Proposal {
	out := &recipe.Proposal{Version: p.ask[len(p.ask)-1].Release.Version, Found: p.now}
	if p.left > 0 {
		out.Reasons = append(out.Reasons,
			fmt.Sprintf("the feed lists %d more versions, which are older than these", p.left))
	}
	versions := map[string]int{} // by reason
	for _, step := range p.ask {
		for _, reason := range step.Reasons {
			versions[reason]++
		}
	}
	for _, step := range p.ask {
		out.Versions = append(out.Versions, step.Release.Version)
		out.Patches = append(out.Patches, step.Patch)
		for _, reason := range step.Reasons {
			if versions[reason] < len(p.ask) {
				reason = step.Release.Version + ": " + reason
			}
			if !slices.Contains(out.Reasons, reason) {
				out.Reasons = append(out.Reasons, reason)
			}
		}
	}
	return out
}
