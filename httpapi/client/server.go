package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/patchsource/patchsource/patch"
)

func decode(res *http.Response, into any) error {
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the answer cannot be read to its end: %w", err)
	}
	return json.Unmarshal(data, into)
}

// A NewToken is a token that was made. Its secret is told this once.
type NewToken struct {
	ID     string `json:"id"`
	Secret string `json:"api_token"`
}

// A TokenRequest is what a token is asked for. The zero TokenRequest asks for one that lives 365 days: made with a
// contributor's token, another contributor's; with an administrator's or an editor's, an editor's, which changes every
// title and administers nothing.
type TokenRequest struct {
	// Name says what the token is for, to people who see it in a list.
	Name string `json:"name,omitempty"`
	// Titles are the ids of the only titles that the token may change.
	Titles []string `json:"titles_in_scope,omitempty"`
	// Days is how long the token lives, 1 to 365; 0 means 365. NeverExpires, which only an administrator may ask for,
	// excludes it.
	Days         int  `json:"expires_in_days,omitempty"`
	NeverExpires bool `json:"never_expires,omitempty"`
	// Administrator asks for an administrator's token, which only another one can make.
	Administrator bool `json:"administrator,omitempty"`
}

// MakeToken makes a token.
func (c *Client) MakeToken(ctx context.Context, of TokenRequest) (t NewToken, err error) {
	q := call{method: http.MethodPost, path: "/api/v1/tokens"}
	if q.body, err = encode(of); err != nil {
		return t, err
	}
	return t, c.do(ctx, q, &t)
}

// MailContributorToken has a new token mailed to a contributor who lost theirs. It tells nothing about whether the
// address is a contributor's.
func (c *Client) MailContributorToken(ctx context.Context, address string) error {
	_, err := c.post(ctx, "/api/v1/contributors/token", map[string]string{"email": address})
	return err
}

// ReleaseName lets a contributor's name be registered that is pending, or that an author has published under. It needs
// an administrator's token.
func (c *Client) ReleaseName(ctx context.Context, name string) error {
	_, err := c.post(ctx, path("api", "v1", "contributors", name, "release"), nil)
	return err
}

// InvalidateToken ends a token, and everything that was made with it. The last administrator's token is not ended.
func (c *Client) InvalidateToken(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodPost, path: path("api", "v1", "tokens", id, "invalidate")}, nil)
}

// A Webhook is who is told of what. Of one that is created, ID, Signed and what
// follows do not count.
type Webhook struct {
	ID             string `json:"id,omitempty"`
	URL            string `json:"url"`
	Enabled        bool   `json:"enabled"`
	VerifySSL      bool   `json:"verify_ssl"`
	SendDefinition bool   `json:"send_definition"`
	// Secret signs events; it is never told again.
	Secret string `json:"secret,omitempty"`
	// Format is json, slack or teams; empty: json.
	Format string `json:"format,omitempty"`
	// Events are of new_title, title_updated and title_deleted; empty: all. Titles
	// are ids; empty: all.
	Events []string `json:"events,omitempty"`
	Titles []string `json:"titles,omitempty"`

	Signed      bool       `json:"signed,omitempty"`
	Pending     int        `json:"pending,omitempty"`
	Dropped     int        `json:"dropped,omitempty"`
	Failures    int        `json:"failures,omitempty"`
	LastError   *string    `json:"last_error,omitempty"`
	LastSuccess *time.Time `json:"last_success,omitempty"`
}

// Webhooks returns all webhooks and how it goes with them.
func (c *Client) Webhooks(ctx context.Context) (all []Webhook, err error) {
	return all, c.do(ctx, call{method: http.MethodGet, path: "/api/v1/webhooks"}, &all)
}

// CreateWebhook adds a webhook, and returns its id.
func (c *Client) CreateWebhook(ctx context.Context, h Webhook) (id string, err error) {
	a, err := c.post(ctx, "/api/v1/webhooks", h)
	return a.ID, err
}

// DeleteWebhook removes a webhook.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: path("api", "v1", "webhooks", id)}, nil)
}

// TestWebhook has a test event sent to a webhook.
func (c *Client) TestWebhook(ctx context.Context, id string) error {
	_, err := c.post(ctx, path("api", "v1", "webhooks", id, "test"), nil)
	return err
}

// BackupOptions are options of [Client.Backup]. Nil means the zero value.
type BackupOptions struct {
	// Full is everything that a server needs to be moved; it needs an
	// administrator's token.
	Full bool
}

// Backup writes a zip of all titles to w, as it comes. After an error, what was
// written is not all.
func (c *Client) Backup(ctx context.Context, w io.Writer, opts *BackupOptions) error {
	q := call{method: http.MethodGet, path: "/api/v1/backup"}
	if opts != nil && opts.Full {
		q.query = url.Values{"full": {"1"}}
	}
	res, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(w, res.Body)
	return err
}

// RestoreOptions are options of [Client.Restore]. Nil means the zero value.
type RestoreOptions struct {
	// Mode is merge (other titles stay), replace (they are deleted), or empty: there
	// must be none.
	Mode string
	// Confirm is what a restore with the mode replace is confirmed with, as [Client.PlanRestore] says. If it would delete
	// other titles than it did then, nothing is restored.
	Confirm string
}

func (o *RestoreOptions) query() url.Values {
	q := url.Values{}
	if o != nil && o.Mode != "" {
		q.Set("mode", o.Mode)
	}
	if o != nil && o.Confirm != "" {
		q.Set("confirm", o.Confirm)
	}
	return q
}

// A RestorePlan is what a restore would do: the ids of at most 1000 titles of each kind, and in Counts, by the names of
// the lists, how many there are.
type RestorePlan struct {
	Create    []string       `json:"create"`
	Replace   []string       `json:"replace"`
	Unchanged []string       `json:"unchanged"`
	Delete    []string       `json:"delete"`
	Skip      []string       `json:"skip"` // they follow a source
	Counts    map[string]int `json:"counts"`
	// Confirm is for [RestoreOptions]; empty if nothing is deleted.
	Confirm string `json:"confirm"`
}

// PlanRestore returns what [Client.Restore] would do, and changes nothing.
func (c *Client) PlanRestore(
	ctx context.Context,
	backup io.Reader,
	opts *RestoreOptions,
) (plan RestorePlan, err error) {
	q := call{
		method:      http.MethodPost,
		path:        "/api/v1/restore",
		query:       opts.query(),
		stream:      backup,
		contentType: "application/zip",
	}
	q.query.Set("dry_run", "1")
	return plan, c.do(ctx, q, &plan)
}

// A Restored is a title of a restore; one that was left as it is says why.
type Restored struct {
	ID      string `json:"id"`
	Skipped string `json:"skipped"`
}

// Restore makes the titles of a backup live, all or none.
func (c *Client) Restore(ctx context.Context, backup io.Reader, opts *RestoreOptions) (all []Restored, err error) {
	q := call{
		method:      http.MethodPost,
		path:        "/api/v1/restore",
		query:       opts.query(),
		stream:      backup,
		contentType: "application/zip",
	}
	return all, c.do(ctx, q, &all)
}

// ImportOptions are options of [Client.Import]. Nil means the zero value.
type ImportOptions struct {
	// DryRun says what would happen, and changes nothing.
	DryRun bool
	// Replace replaces titles that are there already. Without it, those that differ are refused.
	Replace bool
}

// An Imported says what became of a title of an import.
type Imported struct {
	// Item is where it stood: its place in the array, its line, its member.
	Item string `json:"item"`
	ID   string `json:"id"`
	// Result is created, updated, unchanged or refused.
	Result   string          `json:"result"`
	Message  string          `json:"message"`
	Errors   []patch.Failure `json:"errors"`
	Warnings []patch.Warning `json:"warnings"`
}

// Import creates or replaces the titles of a JSON array, of lines of JSON, or of a
// zip, each by itself, and yields what became of each. An error ends it.
func (c *Client) Import(ctx context.Context, titles io.Reader, opts *ImportOptions) iter.Seq2[Imported, error] {
	return func(yield func(Imported, error) bool) {
		q := call{
			method:      http.MethodPost,
			path:        "/api/v1/titles/import",
			stream:      titles,
			contentType: "application/octet-stream",
		}
		q.query = url.Values{}
		if opts != nil && opts.DryRun {
			q.query.Set("dry_run", "1")
		}
		if opts != nil && opts.Replace {
			q.query.Set("replace", "1")
		}
		res, err := c.send(ctx, q)
		if err != nil {
			yield(Imported{}, err)
			return
		}
		defer res.Body.Close()
		for dec := json.NewDecoder(res.Body); ; {
			var one Imported
			err := dec.Decode(&one)
			if err == io.EOF {
				return
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}
