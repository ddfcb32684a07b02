package httpapi_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A fakeWatches keeps watches in memory. Their feeds list what the test says.
type fakeWatches struct {
	titles    *catalog.Catalog
	watches   map[string]recipe.Watch         // by the ids of titles
	options   map[string]httpapi.WatchOptions // of the last Set or Begin, by the ids of titles
	proposals map[string]wire.Proposal
	fail      error // of the feeds
	asked     int   // the number of requests for feeds
	trusted   bool  // of the last request
	undone    int
	// patchBytes is the size of the patch of a proposed version.
	patchBytes int
}

func (f *fakeWatches) Validate(w recipe.Watch) error {
	var all []patch.Failure
	if w.Feed.Kind == "nope" {
		all = append(all, patch.Failure{Path: "/feed/kind", Message: "is unknown"})
	}
	if w.Feed.URL == "" {
		all = append(all, patch.Failure{Path: "/feed/url", Message: "is missing"})
	}
	if all != nil {
		return &patch.ValidationError{Failures: all}
	}
	return nil
}

func (f *fakeWatches) Restricted(feed recipe.Feed) bool { return feed.Kind == "json" }

func (f *fakeWatches) Watch(id string) (wire.Watch, error) {
	w, ok := f.watches[id]
	if !ok {
		return wire.Watch{}, &catalog.TitleError{ID: id, Err: httpapi.ErrNotWatched}
	}
	state := wire.WatchState{Status: wire.WatchOK}
	if w.Policy.Mode == recipe.Off {
		state.Status = wire.WatchPaused
	}
	out := wire.Watch{Title: id, Feed: w.Feed.Redacted(), Policy: w.Policy, State: state}
	if id == "Broken" { // a recipe file whose title was never created
		out.Source, out.State.Status = "folder:apps/Broken.json", wire.WatchFailing
	}
	return out, nil
}

func (f *fakeWatches) All() iter.Seq[wire.Watch] {
	return func(yield func(wire.Watch) bool) {
		for _, id := range slices.Sorted(maps.Keys(f.watches)) {
			if w, _ := f.Watch(id); !yield(w) {
				return
			}
		}
	}
}

func (f *fakeWatches) Set(_ context.Context, id string, w recipe.Watch, opts httpapi.WatchOptions) error {
	if id == "File" {
		return &catalog.TitleError{ID: id, Err: httpapi.ErrWatchReadOnly}
	}
	if err := f.checkUID(id, opts.UID); err != nil {
		return err
	}
	if err := w.Feed.KeepSecrets(f.watches[id].Feed); err != nil {
		return err
	}
	f.watches[id], f.options[id] = w, opts
	return nil
}

// checkUID returns catalog.ErrNotFound if the title with an id has another UID.
func (f *fakeWatches) checkUID(id, uid string) error {
	if t, err := f.titles.Title(id); uid != "" && (err != nil || t.UID != uid) {
		return &catalog.TitleError{ID: id, Err: catalog.ErrNotFound}
	}
	return nil
}

func (f *fakeWatches) End(_ context.Context, id, uid string) error {
	if err := f.checkUID(id, uid); err != nil {
		return err
	}
	_, err := f.Watch(id)
	delete(f.watches, id)
	return err
}

func (f *fakeWatches) Check(_ context.Context, id, uid string, dryRun bool) (wire.CheckResult, error) {
	if err := f.checkUID(id, uid); err != nil {
		return wire.CheckResult{}, err
	}
	f.asked++
	result := wire.CheckResult{Message: "checked"}
	if !dryRun {
		result.Added = []string{"2"}
	}
	return result, nil
}

func (f *fakeWatches) Try(
	_ context.Context, _ recipe.Feed, a *wire.RecipeAnswer, trusted bool,
) (wire.RecipeTestResult, error) {
	if a == nil {
		f.asked++
	}
	f.trusted = trusted
	return wire.RecipeTestResult{Newest: &wire.Release{Version: "2"}}, f.fail
}

func (f *fakeWatches) First(_ context.Context, r *recipe.Recipe, trusted bool) (*patch.Definition, error) {
	f.asked++
	f.trusted = trusted
	if f.fail != nil {
		return nil, f.fail
	}
	return patch.Parse([]byte(definition(r.TitleID(), "1")), nil)
}

func (f *fakeWatches) Begin(ctx context.Context, t catalog.Title, w recipe.Watch, opts httpapi.WatchOptions) error {
	return f.Set(ctx, t.ID, w, opts)
}

func (f *fakeWatches) Undo(ctx context.Context, t catalog.Title) error {
	f.undone++
	return f.End(ctx, t.ID, "")
}

func (f *fakeWatches) Proposals() iter.Seq[wire.Proposal] { return maps.Values(f.proposals) }

func (f *fakeWatches) Proposal(id string) (wire.Proposal, error) {
	p, ok := f.proposals[id]
	if !ok {
		return p, fmt.Errorf("%w: %q", httpapi.ErrNoProposal, id)
	}
	return p, nil
}

func (f *fakeWatches) ProposedPatches(_ context.Context, id string) ([]patch.Patch, error) {
	p, err := f.Proposal(id)
	var patches []patch.Patch
	for _, version := range p.Versions {
		patches = append(patches, patch.Patch{Version: version + strings.Repeat("x", f.patchBytes)})
	}
	return patches, cmp.Or(err, f.fail)
}

func (f *fakeWatches) Approve(_ context.Context, id, _ string) (catalog.Result, error) {
	p, err := f.Proposal(id)
	if f.fail != nil {
		return catalog.Result{}, f.fail
	}
	delete(f.proposals, id)
	title, _ := f.titles.Title(p.Title)
	return catalog.Result{Title: title}, err
}

func (f *fakeWatches) Reject(_ context.Context, id, _ string) error {
	_, err := f.Proposal(id)
	delete(f.proposals, id)
	return err
}
