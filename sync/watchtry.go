package patchsync

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// Try reads a feed and stores nothing. If answer is not nil, the feed is not asked, and answer is what it would have
// answered. trusted is that of [WatchOptions].
//
// The error is a *patch.ValidationError if the feed is invalid, a *[FeedError] if it cannot be read, or that of ctx.
func (w *Watches) Try(ctx context.Context, f recipe.Feed, answer *releases.Answer, trusted bool) (Trial, error) {
	if err := w.kinds.Check(recipe.Watch{Feed: f}); err != nil {
		return Trial{}, err
	}
	var found []recipe.Release
	var err error
	if answer != nil {
		if found, _, err = w.kinds.Read(f, *answer); err != nil {
			return Trial{}, &FeedError{Err: err}
		}
	} else {
		w.counts.requests.Add(1)
		first, err := w.feeds.get(ctx, f, trusted, "")
		if err != nil {
			return Trial{}, err
		}
		if found, _, err = w.feeds.read(ctx, f, first.Answer, trusted); err != nil {
			return Trial{}, err
		}
	}
	return Trial{Selection: releases.Select(f, found)}, nil
}

// First returns the definition of a new title, from the first good answer of its recipe's feed: its newest stable
// release, or as many as Policy.Backfill says; see [releases.First]. trusted is that of [WatchOptions].
//
// The error is a *patch.ValidationError if the recipe is invalid, before the feed is asked; a *[FeedError] if the feed
// cannot be read or lists no release that the title may begin with; or that of ctx.
func (w *Watches) First(ctx context.Context, r recipe.Recipe, trusted bool) (*patch.Definition, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := w.kinds.Check(r.Watch()); err != nil {
		return nil, err
	}
	trial, err := w.Try(ctx, r.Feed, nil, trusted)
	if err != nil {
		return nil, err
	}
	return w.definition(r, trial.Selection)
}

// definition returns the definition of a new title from what its feed lists.
func (w *Watches) definition(r recipe.Recipe, s releases.Selection) (*patch.Definition, error) {
	first, err := releases.First(r.Watch(), s, w.now())
	if err != nil {
		return nil, &FeedError{Err: err}
	}
	def, err := r.Definition(first, w.now())
	if err != nil && !errors.Is(err, patch.ErrInvalid) {
		return nil, &FeedError{Err: err}
	}
	return def, err
}

// textOf returns a text that is the same for equal feeds.
func textOf(f recipe.Feed) string {
	data, err := json.Marshal(f)
	if err != nil {
		panic(err) // a struct of strings, numbers and maps of strings can always be marshaled
	}
	return string(data)
}

// sameFeed reports whether two feeds are equal.
func sameFeed(a, b recipe.Feed) bool { return textOf(a) == textOf(b) }
