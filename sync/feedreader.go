package patchsync

import (
	"context"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// FeedReaderOptions are the options of [NewFeedReader]. The zero value is valid.
type FeedReaderOptions struct {
	// Kinds reads the feeds. If nil, it is the kinds of package releases.
	Kinds *releases.Kinds
	// FeedTokens are tokens for the hosts of the feeds.
	FeedTokens []FeedToken
	// AllowPrivateNetworks also permits addresses in private networks and on this machine, for labs.
	AllowPrivateNetworks bool
	// Timeout bounds one request, from the connection to the last byte. The default is 10 s.
	Timeout time.Duration
	// Observe, if not nil, is called with each request and its answer, with any status. The requests have no
	// credentials.
	Observe func(releases.Request, releases.Answer)
}

// A FeedReader reads release feeds for programs without a [Runner], within the same bounds. It is safe for concurrent
// use, if Observe is.
type FeedReader struct {
	feeds *feedClient
}

// NewFeedReader returns a FeedReader. If opts is nil, the default options apply.
func NewFeedReader(opts *FeedReaderOptions) (*FeedReader, error) {
	if opts == nil {
		opts = &FeedReaderOptions{}
	}
	kinds := opts.Kinds
	if kinds == nil {
		var err error
		if kinds, err = releases.New(nil); err != nil {
			return nil, err
		}
	}
	o := &Options{
		AllowPrivateNetworks: opts.AllowPrivateNetworks,
		Timeout:              opts.Timeout,
		FeedTokens:           opts.FeedTokens,
	}
	feeds, err := newFeedClient(newFetcher(o).client, kinds, o)
	if err != nil {
		return nil, err
	}
	feeds.observe = opts.Observe
	return &FeedReader{feeds}, nil
}

// Read asks for a feed and returns the releases that it lists, in any order; releases.Select selects those that count.
//
// The error is a *patch.ValidationError if the feed is invalid, a *[FeedError] if it cannot be read, or that of ctx.
func (r *FeedReader) Read(ctx context.Context, f recipe.Feed) ([]recipe.Release, error) {
	if err := r.feeds.kinds.Check(recipe.Watch{Feed: f}); err != nil {
		return nil, err
	}
	first, err := r.feeds.get(ctx, f, true, "")
	if err != nil {
		return nil, err
	}
	found, _, err := r.feeds.read(ctx, f, first.Answer, true)
	return found, err
}

// Close closes the connections that are not in use.
func (r *FeedReader) Close() { r.feeds.client.Close() }
