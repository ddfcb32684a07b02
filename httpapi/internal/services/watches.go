package services

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/releases"
)

// Watches returns w as a service of package httpapi. It returns nil if w is nil.
func Watches(w *patchsync.Watches) httpapi.Watches {
	if w == nil {
		return nil
	}
	return watcher{w}
}

type watcher struct{ watches *patchsync.Watches }

func (w watcher) Validate(watch recipe.Watch) error { return w.watches.Kinds().Check(watch) }

func (w watcher) Restricted(f recipe.Feed) bool { return w.watches.Kinds().Restricted(f) }

func (w watcher) Watch(id string) (wire.Watch, error) {
	s, err := w.watches.State(id)
	return watchOf(s), translate(err)
}

func (w watcher) All() iter.Seq[wire.Watch] {
	return func(yield func(wire.Watch) bool) {
		for s := range w.watches.All() {
			if !yield(watchOf(s)) {
				return
			}
		}
	}
}

func (w watcher) Set(ctx context.Context, id string, watch recipe.Watch, opts httpapi.WatchOptions) error {
	return translate(w.watches.Set(ctx, id, watch, patchsync.WatchOptions(opts)))
}

func (w watcher) End(ctx context.Context, id, uid string) error {
	return translate(w.watches.End(ctx, id, uid))
}

func (w watcher) Check(ctx context.Context, id, uid string, dryRun bool) (wire.CheckResult, error) {
	check, err := w.watches.Check(ctx, id, uid, dryRun)
	if err != nil {
		return wire.CheckResult{}, translate(err)
	}
	plan := check.Plan
	out := wire.CheckResult{
		Added:    append([]string{}, check.Added...),
		WouldAdd: []wire.Addition{},
		Held:     []wire.HeldVersion{},
		Skipped:  droppedOf(plan.Skipped),
		State:    watchStateOf(check.State),
	}
	if plan.Newest != nil {
		out.Newest = releaseOf(*plan.Newest)
	}
	if dryRun {
		for _, step := range plan.Add {
			out.WouldAdd = append(out.WouldAdd, wire.Addition{
				Version: step.Release.Version,
				Patch:   step.Patch,
				Reasons: append([]string{}, step.Reasons...),
			})
		}
	}
	if check.Proposal != nil {
		p := proposalOf(*check.Proposal)
		out.Proposal = &p
	}
	for _, step := range plan.Held {
		out.Held = append(out.Held, wire.HeldVersion{Version: step.Release.Version, Until: wire.Time(step.Until)})
	}
	if check.Err != nil {
		out.Error = checkError(check, dryRun)
	}
	out.Message = checkMessage(out, plan.Note)
	return out, nil
}

// checkError returns why a check failed. The state has it as it may be shown; that of a dry run is still the one of the
// last check, but a dry run adds nothing, so that its error is about what the feed lists and has no secrets.
func checkError(check patchsync.Check, dryRun bool) *string {
	if dryRun {
		return wire.String(check.Err.Error())
	}
	if text := wire.String(check.State.LastError); text != nil {
		return text
	}
	return wire.String("the check failed: the server's log says why")
}

// checkMessage says what a check did, in sentences. note explains a check that found nothing to do.
func checkMessage(r wire.CheckResult, note string) string {
	var all []string
	if r.Error != nil {
		all = append(all, sentence(*r.Error))
	}
	if len(r.Added) > 0 {
		all = append(all, "Added: "+strings.Join(r.Added, ", ")+".")
	}
	var would []string
	for _, one := range r.WouldAdd {
		would = append(would, one.Version)
	}
	if len(would) > 0 {
		all = append(all, "Would be added: "+strings.Join(would, ", ")+".")
	}
	if p := r.Proposal; p != nil {
		all = append(all, "For a person to decide: "+strings.Join(p.Versions, ", ")+".")
	}
	var held []string
	for _, h := range r.Held {
		held = append(held, h.Version)
	}
	if len(held) > 0 {
		all = append(all, "Held back: "+strings.Join(held, ", ")+".")
	}
	if len(all) == 0 && note != "" {
		all = append(all, sentence(note))
	}
	if len(all) == 0 {
		return "The release feed has no new version."
	}
	return strings.Join(all, " ")
}

// sentence returns a text with a capital letter and a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

func (w watcher) Try(
	ctx context.Context, f recipe.Feed, a *wire.RecipeAnswer, trusted bool,
) (wire.RecipeTestResult, error) {
	var given *releases.Answer
	if a != nil {
		given = &releases.Answer{Status: a.Status, Header: http.Header{}, Body: []byte(a.Body)}
		if given.Status == 0 {
			given.Status = http.StatusOK
		}
		for name, value := range a.Headers {
			given.Header.Set(name, value)
		}
	}
	trial, err := w.watches.Try(ctx, f, given, trusted)
	if err != nil {
		return wire.RecipeTestResult{}, translate(err)
	}
	out := wire.RecipeTestResult{Releases: []wire.Release{}, Dropped: droppedOf(trial.Selection.Dropped)}
	for _, r := range trial.Selection.Releases {
		out.Releases = append(out.Releases, *releaseOf(r))
	}
	if newest, ok := trial.Selection.Newest(); ok {
		out.Newest = releaseOf(newest)
	}
	return out, nil
}

// First returns failures of the definition as an ErrFeed: the recipe was validated, so that the feed is their cause.
func (w watcher) First(ctx context.Context, r *recipe.Recipe, trusted bool) (*patch.Definition, error) {
	def, err := w.watches.First(ctx, *r, trusted)
	if errors.Is(err, patch.ErrInvalid) && !errors.Is(err, patchsync.ErrUpstream) {
		return nil, fmt.Errorf("%w: its releases make no valid title: %s", httpapi.ErrFeed, err)
	}
	return def, translate(err)
}

func (w watcher) Begin(ctx context.Context, t catalog.Title, watch recipe.Watch, opts httpapi.WatchOptions) error {
	return translate(w.watches.Begin(ctx, t, watch, patchsync.WatchOptions(opts)))
}

func (w watcher) Undo(ctx context.Context, t catalog.Title) error {
	return translate(w.watches.Undo(ctx, t))
}

func (w watcher) Proposals() iter.Seq[wire.Proposal] {
	return func(yield func(wire.Proposal) bool) {
		for p := range w.watches.Proposals() {
			if !yield(proposalOf(p)) {
				return
			}
		}
	}
}

func (w watcher) Proposal(id string) (wire.Proposal, error) {
	p, err := w.watches.Proposal(id)
	return proposalOf(p), translate(err)
}

func (w watcher) ProposedPatches(ctx context.Context, id string) ([]patch.Patch, error) {
	patches, err := w.watches.ProposedPatches(ctx, id)
	return patches, translate(err)
}

func (w watcher) Approve(ctx context.Context, id, by string) (catalog.Result, error) {
	res, err := w.watches.Approve(ctx, id, by)
	return res, translate(err)
}

func (w watcher) Reject(ctx context.Context, id, by string) error {
	return translate(w.watches.Reject(ctx, id, by))
}

func watchOf(s patchsync.WatchState) wire.Watch {
	return wire.Watch{
		Title:    s.Title,
		Feed:     s.Watch.Feed,
		Policy:   s.Watch.Policy,
		Source:   s.Source,
		ReadOnly: s.Source != "",
		State:    watchStateOf(s),
	}
}

func watchStateOf(s patchsync.WatchState) wire.WatchState {
	out := wire.WatchState{
		Status:      s.Status,
		Failures:    s.Failures,
		LastError:   wire.String(s.LastError),
		LastAttempt: wire.Time(s.LastAttempt),
		LastSuccess: wire.Time(s.LastSuccess),
		NextCheck:   wire.Time(s.NextCheck),
		Newest:      wire.String(s.Newest),
		Silent:      s.Silent,
		Missing:     s.Missing,
	}
	for _, h := range s.Held {
		out.Held = append(out.Held, wire.HeldVersion{Version: h.Version, Until: wire.Time(h.Until)})
	}
	return out
}

func proposalOf(p recipe.Proposal) wire.Proposal {
	return wire.Proposal{
		ID:       p.ID,
		Title:    p.Title,
		Version:  p.Version,
		Versions: append([]string{}, p.Versions...),
		Reasons:  append([]string{}, p.Reasons...),
		Found:    wire.Time(p.Found),
		Patches:  append([]patch.Patch{}, p.Patches...),
	}
}

func releaseOf(r recipe.Release) *wire.Release {
	return &wire.Release{
		Version:                r.Version,
		Build:                  r.Build,
		Channel:                r.Channel,
		MinimumOperatingSystem: r.MinOS,
		Date:                   wire.Time(r.Date),
		Prerelease:             r.Prerelease,
		URL:                    r.URL,
	}
}

func droppedOf(all []releases.Dropped) []wire.DroppedRelease {
	out := []wire.DroppedRelease{}
	for _, d := range all {
		out = append(out, wire.DroppedRelease(d))
	}
	return out
}
