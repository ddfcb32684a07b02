package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/recipe"
)

// Watch returns the release feed that a title follows, and its state. It returns ErrNotFound if the title follows none.
func (c *Client) Watch(ctx context.Context, id string) (w wire.Watch, err error) {
	return w, c.get(ctx, api("titles", id, "watch"), nil, &w)
}

// SetWatch makes a title follow a release feed, or changes how it follows it. A feed whose URL has the placeholders of
// an answer in place of its secrets keeps the URL that is stored.
func (c *Client) SetWatch(ctx context.Context, id string, watch recipe.Watch) (w wire.Watch, err error) {
	q := call{method: http.MethodPut, path: api("titles", id, "watch")}
	if q.body, err = encode(watch); err != nil {
		return w, err
	}
	return w, c.do(ctx, q, &w)
}

// EndWatch makes a title follow its release feed no longer. The title stays.
func (c *Client) EndWatch(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: api("titles", id, "watch")}, nil)
}

// CheckOptions are options of [Client.CheckWatch]. A nil *CheckOptions is the zero value.
type CheckOptions struct {
	// DryRun returns what the check would do and changes nothing.
	DryRun bool
}

// CheckWatch checks the release feed of a title now. A feed that cannot be read is not an error: see
// wire.CheckResult.Error.
func (c *Client) CheckWatch(ctx context.Context, id string, opts *CheckOptions) (result wire.CheckResult, err error) {
	q := call{method: http.MethodPost, path: api("titles", id, "watch", "check")}
	if opts != nil && opts.DryRun {
		q.query = url.Values{"dry_run": {"1"}}
	}
	return result, c.do(ctx, q, &result)
}

// Watches returns the release feeds of the titles that the caller may change. If state is not empty, only those with
// this status are returned, such as wire.WatchFailing.
func (c *Client) Watches(ctx context.Context, state string) ([]wire.Watch, error) {
	query := url.Values{}
	if state != "" {
		query.Set("state", state)
	}
	var list wire.WatchList
	return list.Watches, c.get(ctx, api("watches"), query, &list)
}

// Proposals returns the versions that wait for a person, of the titles that the caller may change.
func (c *Client) Proposals(ctx context.Context) ([]wire.Proposal, error) {
	var list wire.ProposalList
	return list.Proposals, c.get(ctx, api("proposals"), nil, &list)
}

// Approve adds the versions of a proposal to their title.
func (c *Client) Approve(ctx context.Context, proposal string) (wire.Answer, error) {
	return c.post(ctx, api("proposals", proposal, "approve"), nil)
}

// Reject discards a proposal. Its versions are not proposed again.
func (c *Client) Reject(ctx context.Context, proposal string) (wire.Answer, error) {
	return c.post(ctx, api("proposals", proposal, "reject"), nil)
}

// CreateFromRecipe creates a title from the first good answer of its release feed. It returns ErrConflict if the id is
// taken.
func (c *Client) CreateFromRecipe(ctx context.Context, r *recipe.Recipe) (wire.Answer, error) {
	return c.post(ctx, api("recipes"), r)
}

// TestRecipe reads the feed of a recipe, or a given answer of it, and returns its releases. Nothing is stored.
func (c *Client) TestRecipe(ctx context.Context, t wire.RecipeTest) (result wire.RecipeTestResult, err error) {
	q := call{method: http.MethodPost, path: api("recipes", "test")}
	if q.body, err = encode(t); err != nil {
		return result, err
	}
	return result, c.do(ctx, q, &result)
}

// DraftRecipe returns a draft of a recipe for a Homebrew cask or an application. Nothing is stored.
func (c *Client) DraftRecipe(ctx context.Context, d wire.DraftRequest) (draft wire.RecipeDraft, err error) {
	q := call{method: http.MethodPost, path: api("recipes", "draft")}
	if q.body, err = encode(d); err != nil {
		return draft, err
	}
	return draft, c.do(ctx, q, &draft)
}
