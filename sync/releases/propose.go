package releases

import (
	"fmt"
	"slices"
	"strconv"
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
			p.skip(r, "the title had the version, and no longer has it: a person removed it, or restored an earlier "+
				"revision; add it by hand to have it again")
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
		p.plan.Note = "every newer release was removed or rejected by a person; add a version by hand to have it again"
	}
	return nil
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
