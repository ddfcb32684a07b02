package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
)

// Errors that services return, as targets of errors.Is. Services also return those of packages auth, patch and catalog:
// catalog.ErrUnavailable for an outage, auth.ErrDenied for a limit that was reached, and a *patch.ValidationError for
// invalid input, with paths in the body of the request.
var (
	// ErrUpstream is returned for an upstream that failed, or whose definition was rejected.
	ErrUpstream = errors.New("the upstream cannot be followed")
	// ErrNotFollowed is returned for a title that follows no upstream, and for an unknown mirror.
	ErrNotFollowed = errors.New("no upstream is followed")
	// ErrMail is returned for a mail that could not be sent.
	ErrMail = errors.New("the mail could not be sent")
	// ErrConflict is returned for a name or an id that is taken.
	ErrConflict = errors.New("the name is taken")
	// ErrNoWebhook is returned for a webhook that does not exist.
	ErrNoWebhook = errors.New("webhook not found")
	// ErrNoDelivery is returned for a delivery that a webhook does not have, or no longer lists.
	ErrNoDelivery = errors.New("delivery not found")
	// ErrFeed is returned for a release feed that cannot be read. The text of the error is shown, so it has no secrets.
	ErrFeed = errors.New("the release feed cannot be read")
	// ErrNotWatched is returned for a title that follows no release feed.
	ErrNotWatched = errors.New("the title follows no release feed")
	// ErrNoProposal is returned for a proposal that does not exist.
	ErrNoProposal = errors.New("proposal not found")
	// ErrNoJob is returned for a job that does not exist, or is no longer kept.
	ErrNoJob = errors.New("job not found")
	// ErrTooManyJobs is returned if too many jobs wait.
	ErrTooManyJobs = errors.New("too many restores and imports wait on this server")
	// ErrWatchReadOnly is returned for a change of a watch that comes from a file.
	ErrWatchReadOnly = errors.New("the watch comes from a file")
)

// A LimitedError is returned for too many requests.
type LimitedError struct {
	// After is the time after which the client may retry.
	After time.Duration
	// Err describes the limit that was exceeded. If nil, it is the limit for the client's address.
	Err error
}

// Error describes the limit and says when to retry.
func (e *LimitedError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("too many requests from this address: try again in %v", e.After.Round(time.Second))
}

// Unwrap returns Err.
func (e *LimitedError) Unwrap() error { return e.Err }

// RetryAfter returns After.
func (e *LimitedError) RetryAfter() time.Duration { return e.After }

// A Community publishes titles of authors without an account, and registers contributors. It must be safe for
// concurrent use.
type Community interface {
	// Publish publishes a title and mails its token to the author. The definition was parsed; either it or the URL is
	// set.
	Publish(ctx context.Context, p wire.Publication) (catalog.Result, error)
	// Create creates a title of a contributor, whose name becomes part of the title's id and name. It does not change
	// def.
	Create(ctx context.Context, contributor string, def *patch.Definition, opts *catalog.CreateOptions) (
		catalog.Result, error)
	// Own calls create, which makes a title and returns its id, with options that say that a contributor owns it.
	Own(ctx context.Context, contributor string, create func(owner catalog.CreateOptions) (id string, err error)) error
	// Contributor returns the contributor with an id, which may be in any case, without the links of the listing.
	Contributor(id string) (wire.ContributorListing, bool)
	// ContributorID returns the id of that contributor alone. It is called for each read of a contributor's feed.
	ContributorID(name string) (id string, ok bool)
	// Contributors returns all contributors, without the links of the listing, those with the most titles first.
	Contributors() []wire.ContributorListing
	// Register reserves a name and mails a link that confirms the address; Verify is called for the link.
	Register(ctx context.Context, name, email string) error
	Verify(ctx context.Context, id, code string) (wire.ContributorListing, error)
	// Release makes a name available again.
	Release(ctx context.Context, name string) error
	// Reset mails a new token for a title to its author if the address is the author's; ResetContributor does so for a
	// contributor. The results do not reveal whether it is.
	Reset(ctx context.Context, title, email string) error
	ResetContributor(ctx context.Context, email string) error
}

// A Sync keeps titles in step with upstreams. It must be safe for concurrent use.
type Sync interface {
	// State returns the state of the upstream that a title follows, and false if it is unknown. If detailed is false,
	// the last error is reduced to what any client may know.
	State(t catalog.Title, detailed bool) (wire.SyncState, bool)
	// Sources yields everything that is followed, with detailed errors.
	Sources() iter.Seq[wire.Source]
	// Trigger asks for a round of a title soon, and TriggerMirror for one of a whole source. The error is
	// ErrNotFollowed or catalog.ErrNotFound.
	Trigger(id string) error
	TriggerMirror(name string) error
	// Fetch fetches the definition at a URL. The error is ErrUpstream or that of ctx.
	Fetch(ctx context.Context, url string) (*patch.Definition, error)
}

// Webhooks keeps the webhooks that changes are delivered to. It must be safe for concurrent use.
type Webhooks interface {
	// List returns all webhooks with the state of their deliveries, in the order of their URLs.
	List() []wire.Webhook
	// Create adds a webhook and returns its id.
	Create(ctx context.Context, h wire.WebhookRequest) (id string, err error)
	// Delete removes a webhook. The error is ErrNoWebhook if there is none with this id.
	Delete(ctx context.Context, id string) error
	// Test sends a test event to a webhook. The error is ErrNoWebhook if there is none with this id.
	Test(ctx context.Context, id string) error
	// Deliveries returns the deliveries of the newest events of a webhook, at most 100, the newest event first. The
	// error is ErrNoWebhook if there is none with this id.
	Deliveries(ctx context.Context, id string) ([]wire.Delivery, error)
	// Retry tries a pending delivery at once, and queues the event of a finished one again. The error is ErrNoWebhook,
	// ErrNoDelivery, or auth.ErrDenied if the queue of the webhook is full.
	Retry(ctx context.Context, id, delivery string) error
}

// Jobs runs restores and imports whose clients do not wait for the answer, and remembers how they went. It must be safe
// for concurrent use.
type Jobs interface {
	// Start starts a job and returns it. kind is wire.JobRestore or wire.JobImport. The context of the work has the
	// values of ctx but does not end with it; it ends when the server stops. release is called once when the work has
	// ended, or is not begun because the server stops. It is not called if Start returns an error, which is
	// ErrTooManyJobs if too many jobs wait.
	Start(ctx context.Context, kind string, work JobWork, release func()) (wire.Job, error)
	// Job returns the job with an id. The error is ErrNoJob if there is none.
	Job(ctx context.Context, id string) (wire.Job, error)
	// List returns all jobs without their results, the newest first.
	List(ctx context.Context) ([]wire.Job, error)
}

// JobWork is the work of a job. It calls progress with the number of titles that are processed, and with that of all
// titles or 0 while it is unknown. It returns the status and the JSON that the call would have been answered with, or
// the status 0 if ctx ended before the work did. It does not panic.
type JobWork func(ctx context.Context, progress func(done, total int)) (status int, result json.RawMessage)

// A Watches makes titles follow the release feeds of their vendors. The feeds that it returns have no secrets. It must
// be safe for concurrent use.
type Watches interface {
	// Validate returns all failures of a watch, as a *patch.ValidationError with paths such as /feed/url. It asks no
	// server.
	Validate(w recipe.Watch) error
	// Restricted reports whether a feed is for principals that may create and change titles for everybody.
	Restricted(f recipe.Feed) bool

	// Watch returns the watch of a title. The error is ErrNotWatched if there is none.
	Watch(id string) (wire.Watch, error)
	// All yields all watches, in the order of the ids of their titles.
	All() iter.Seq[wire.Watch]
	// Set makes a title follow a feed, or changes how it does. A feed whose URL is that of Watch, without secrets,
	// keeps the URL that is stored. A watch whose feed stays the same keeps the trust and the maker that it has. The
	// error is ErrWatchReadOnly for a watch that comes from a file, catalog.ErrSynced for a title that follows an
	// upstream, and catalog.ErrNotFound for a title with another UID than that of the options.
	Set(ctx context.Context, id string, w recipe.Watch, opts WatchOptions) error
	// End ends the watch of the title with an id and a UID. The error is ErrNotWatched, ErrWatchReadOnly or
	// catalog.ErrNotFound.
	End(ctx context.Context, id, uid string) error
	// Check checks the feed of the title with an id and a UID now. A feed that cannot be read is part of the result.
	// The error is ErrNotWatched if there is no watch, or catalog.ErrNotFound.
	Check(ctx context.Context, id, uid string, dryRun bool) (wire.CheckResult, error)

	// Try reads an answer to a request for a feed, or asks the feed if the answer is nil. trusted is that of
	// WatchOptions. The error is ErrFeed if the feed cannot be read.
	Try(ctx context.Context, f recipe.Feed, a *wire.RecipeAnswer, trusted bool) (wire.RecipeTestResult, error)
	// First asks the feed of a recipe and returns the definition of the title that it makes. The error is ErrFeed if
	// the feed cannot be read.
	First(ctx context.Context, r *recipe.Recipe, trusted bool) (*patch.Definition, error)
	// Begin writes the watch of a title that is about to be published, and Undo removes it if the title is not.
	Begin(ctx context.Context, t catalog.Title, w recipe.Watch, opts WatchOptions) error
	Undo(ctx context.Context, t catalog.Title) error

	// Proposals yields all proposals, and Proposal returns the one with an id. The error is ErrNoProposal if there is
	// none. Their Patches are empty.
	Proposals() iter.Seq[wire.Proposal]
	Proposal(id string) (wire.Proposal, error)
	// ProposedPatches returns the Patches of the proposal with an id: none if they are too large to be shown. It reads
	// the definition of the title. The error is ErrNoProposal, or recipe.ErrForm if they cannot be made.
	ProposedPatches(ctx context.Context, id string) ([]patch.Patch, error)
	// Approve adds the versions of a proposal to its title, and Reject discards it. by identifies who decides, such as
	// by the id of a token. The error is ErrNoProposal if there is none with this id, or recipe.ErrForm if its versions
	// cannot be made from the title's newest one any longer.
	Approve(ctx context.Context, id, by string) (catalog.Result, error)
	Reject(ctx context.Context, id, by string) error
}

// WatchOptions are options of a watch.
type WatchOptions struct {
	// Trusted says that an administrator chooses the feed: the requests for it may carry the tokens that the operator
	// has for the feed's host.
	Trusted bool
	// By identifies the maker, such as by the id of a token.
	By string
	// UID is that of the title that the maker may change. A later title with the same id is not changed.
	UID string
}
