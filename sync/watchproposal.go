package patchsync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

const (
	// maxProposed bounds the versions of a proposal: the newest by version order.
	maxProposed = 50
	// maxReasons bounds the reasons of a proposal, and maxReason the bytes of one.
	maxReasons = 100
	maxReason  = 1024
	// maxShownPatches bounds the bytes of the patches of a proposal that is shown, as JSON.
	maxShownPatches = 4 << 20
)

// A proposalRecord is a [recipe.Proposal] in a record. It has the releases and not their patches, of which each can be
// as large as a definition: these are made from the title's newest version when they are shown or added.
type proposalRecord struct {
	ID string `json:"id"`
	// Releases are the versions by version order, the oldest first. There is at least one.
	Releases []proposedRelease `json:"releases"`
	Reasons  []string          `json:"reasons,omitempty"`
	Found    time.Time         `json:"found,omitzero"`
}

// A proposedRelease is what the patch of a version is made of.
type proposedRelease struct {
	Version string `json:"version"`
	Build   string `json:"build,omitempty"`
	MinOS   string `json:"minimum_os,omitempty"`
	// Date is that of the feed, or of the check that found the release if the feed has none.
	Date time.Time `json:"date"`
}

// release returns what the feed said of the version.
func (r proposedRelease) release() recipe.Release {
	return recipe.Release{Version: r.Version, Build: r.Build, MinOS: r.MinOS, Date: r.Date, Rollout: 1}
}

// versions returns the versions, the oldest first.
func (p *proposalRecord) versions() (all []string) {
	for _, r := range p.Releases {
		all = append(all, r.Version)
	}
	return all
}

// proposal returns the proposal without its patches. title is the id of its title.
func (p *proposalRecord) proposal(title string) recipe.Proposal {
	versions := p.versions()
	return recipe.Proposal{
		ID:       p.ID,
		Title:    title,
		Version:  versions[len(versions)-1],
		Versions: versions,
		Reasons:  slices.Clone(p.Reasons),
		Found:    p.Found,
	}
}

// Proposals yields the proposals of all titles that exist, sorted by the ids of the titles. Their Patches are empty:
// [Watches.ProposedPatches] makes them.
func (w *Watches) Proposals() iter.Seq[recipe.Proposal] {
	return func(yield func(recipe.Proposal) bool) {
		if err := w.records.load(context.Background()); err != nil {
			w.log.Error("the proposals cannot be read", "error", err)
			return
		}
		for _, s := range w.existing() {
			for i := range s.record.Proposals {
				if !yield(s.record.Proposals[i].proposal(s.record.Title)) {
					return
				}
			}
		}
	}
}

// Proposal returns a proposal, without its Patches. The error is [ErrNoProposal] or catalog.ErrUnavailable.
func (w *Watches) Proposal(id string) (recipe.Proposal, error) {
	if err := w.records.load(context.Background()); err != nil {
		return recipe.Proposal{}, err
	}
	for p := range w.Proposals() {
		if p.ID == id && id != "" {
			return p, nil
		}
	}
	return recipe.Proposal{}, ErrNoProposal
}

// ProposedPatches returns the versions of a proposal as [Watches.Approve] would add them now, the oldest first: those
// that the title does not have. It returns none if they have more than 4 MiB together.
//
// The error is [ErrNoProposal], recipe.ErrForm if they cannot be made from the title's newest version,
// catalog.ErrUnavailable or that of ctx.
func (w *Watches) ProposedPatches(ctx context.Context, id string) ([]patch.Patch, error) {
	if err := w.records.load(ctx); err != nil {
		return nil, err
	}
	saved, ok := w.findProposal(id)
	if !ok {
		return nil, ErrNoProposal
	}
	def, title, err := w.catalog.Load(ctx, saved.record.Title)
	switch {
	case errors.Is(err, catalog.ErrNotFound), err == nil && title.UID != saved.record.UID:
		return nil, ErrNoProposal
	case err != nil:
		return nil, err
	}
	return saved.record.patchesOf(def, saved.record.proposal(id), w.now(), maxShownPatches)
}

// patchesOf returns the patches of a proposal that a definition does not have, made from its newest version. It returns
// none if they have about more than maxBytes.
func (rec *watchRecord) patchesOf(
	def *patch.Definition, p *proposalRecord, now time.Time, maxBytes int,
) (patches []patch.Patch, err error) {
	missing := lacking(def, p.Releases)
	if len(missing) == 0 {
		return nil, nil
	}
	var newest *patch.Patch
	if len(def.Patches) > 0 {
		newest = &def.Patches[def.FindPatch(newestOf(def))]
	}
	watch := rec.watch()
	for _, r := range missing {
		next, err := recipe.NextPatch(newest, &watch, r.release(), now)
		if err != nil {
			return nil, fmt.Errorf("version %s cannot be made: %w", shorten(r.Version), err)
		}
		if len(patches) == 0 {
			data, err := json.Marshal(next)
			if err != nil {
				return nil, err
			}
			if len(data) > maxBytes/len(missing) {
				return nil, nil
			}
		}
		patches = append(patches, next)
	}
	return patches, nil
}

// findProposal returns the record that has a proposal.
func (w *Watches) findProposal(id string) (savedWatch, bool) {
	for _, s := range w.records.all() {
		if !hasProposal(s.record, id) {
			continue
		}
		if _, err := w.catalog.ByUID(s.record.UID); err == nil {
			return s, true
		}
	}
	return savedWatch{}, false
}

// proposal returns a proposal of the record, nil if it has none with this id.
func (rec *watchRecord) proposal(id string) *proposalRecord {
	for i := range rec.Proposals {
		if rec.Proposals[i].ID == id && id != "" {
			return &rec.Proposals[i]
		}
	}
	return nil
}

// hasProposal reports whether a record has a proposal.
func hasProposal(rec *watchRecord, id string) bool { return rec.proposal(id) != nil }

// shown returns a proposal with its patches, as ProposedPatches does.
func (c *check) shown(p *proposalRecord) *recipe.Proposal {
	out := p.proposal(c.title.ID)
	var err error
	if out.Patches, err = c.next.patchesOf(c.def, p, c.now, maxShownPatches); err != nil {
		c.log.Warn("the versions of a proposal cannot be made", "title", c.title.ID, "error", err)
	}
	return &out
}

// notePropose makes the proposal of a plan that of the record, together with the versions of the earlier proposal that
// still wait: a feed that lists its newest release alone has forgotten them. A proposal that says the same as the
// earlier one does not replace it.
func (c *check) notePropose(plan *releases.Plan) {
	rec := c.next
	var old, fresh proposalRecord
	if len(rec.Proposals) > 0 {
		old = rec.Proposals[0]
	}
	if p := plan.Proposal; p != nil {
		fresh = proposalRecord{Releases: c.proposedReleases(p.Versions, &old), Found: p.Found}
		fresh.addReasons(p.Reasons)
	}
	waiting := c.stillWaiting(plan, fresh.Releases, old.Releases)
	if len(waiting) > 0 {
		fresh.Releases = append(fresh.Releases, waiting...)
		slices.SortStableFunc(fresh.Releases, func(a, b proposedRelease) int {
			return patch.OrderVersions(a.Version, b.Version)
		})
		fresh.Releases = slices.Delete(fresh.Releases, 0, max(0, len(fresh.Releases)-maxProposed))
		fresh.addReasons(old.Reasons)
	}
	switch {
	case len(fresh.Releases) == 0:
		rec.Proposals = nil
		return
	case slices.EqualFunc(fresh.Releases, old.Releases, sameProposed):
		return
	}
	fresh.ID = proposalID(rec.UID, fresh.Releases)
	if fresh.Found.IsZero() {
		fresh.Found = old.Found
	}
	rec.Proposals = []proposalRecord{fresh}
	before, now := old.versions(), fresh.versions()
	if slices.ContainsFunc(now, func(v string) bool { return !slices.Contains(before, v) }) {
		newest := now[len(now)-1]
		c.proposed = true
		c.announce(rec, WatchEvent{
			Kind:    VersionProposed,
			Version: newest,
			Message: fmt.Sprintf("version %s of %q waits for a person: %s", shorten(newest), c.title.ID,
				firstOf(fresh.Reasons)),
		})
	}
}

// proposedReleases returns the releases of the versions that a plan proposes. One without a date has that of the
// earlier proposal, or that of the check.
func (c *check) proposedReleases(versions []string, old *proposalRecord) (out []proposedRelease) {
	found := make(map[string]recipe.Release, len(c.selection.Releases))
	for _, r := range c.selection.Releases {
		found[r.Version] = r
	}
	for _, version := range versions {
		r := proposedRelease{
			Version: version,
			Build:   found[version].Build,
			MinOS:   found[version].MinOS,
			Date:    found[version].Date,
		}
		if r.Date.Year() < 1970 || r.Date.Year() > 9999 { // zero, or one that JSON cannot have
			r.Date = c.now
			if i := slices.Index(old.versions(), version); i >= 0 {
				r.Date = old.Releases[i].Date
			}
		}
		out = append(out, r)
	}
	return out
}

// addReasons adds the reasons that a proposal does not have, up to maxReasons.
func (p *proposalRecord) addReasons(reasons []string) {
	for _, reason := range reasons {
		if len(reason) > maxReason {
			reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
		}
		if len(p.Reasons) < maxReasons && !slices.Contains(p.Reasons, reason) {
			p.Reasons = append(p.Reasons, reason)
		}
	}
}

// stillWaiting returns the releases of an earlier proposal that are neither in the title nor among fresh ones, and that
// the plan does not decide about.
func (c *check) stillWaiting(plan *releases.Plan, fresh, old []proposedRelease) (waiting []proposedRelease) {
	decided := map[string]bool{}
	for _, step := range plan.Add {
		decided[step.Release.Version] = true
	}
	for _, d := range plan.Skipped {
		decided[d.Version] = true
	}
	for _, r := range fresh {
		decided[r.Version] = true
	}
	for _, r := range lacking(c.def, old) {
		memory := c.next.Seen[r.Version].Memory
		if !decided[r.Version] && memory != recipe.Added && memory != recipe.Rejected {
			waiting = append(waiting, r)
		}
	}
	return waiting
}

// lacking returns the releases whose versions a definition does not have, in any spelling.
func lacking(def *patch.Definition, all []proposedRelease) (out []proposedRelease) {
	for _, r := range all {
		has := slices.ContainsFunc(def.Patches, func(q patch.Patch) bool {
			return patch.CompareVersions(r.Version, q.Version) == 0
		})
		if !has {
			out = append(out, r)
		}
	}
	return out
}

// sameProposed reports whether two releases make the same patch, whatever their dates: there are feeds that change the
// dates of their releases.
func sameProposed(a, b proposedRelease) bool {
	return a.Version == b.Version && a.Build == b.Build && a.MinOS == b.MinOS
}

// proposalID returns the id of a proposal. It differs if anything that a person approves differs.
func proposalID(uid string, proposed []proposedRelease) string {
	h := sha256.New()
	_, _ = h.Write([]byte(uid))
	for _, r := range proposed {
		fmt.Fprintf(h, "%q %q %q %d\n", r.Version, r.Build, r.MinOS, r.Date.UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// firstOf returns the first of some sentences.
func firstOf(sentences []string) string {
	if len(sentences) == 0 {
		return "see the proposal"
	}
	return sentences[0]
}
