package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// Draft returns the draft of a title, and its ETag for [SaveDraftOptions]. It returns ErrNotFound if there is none.
func (c *Client) Draft(ctx context.Context, id string) (d wire.Draft, etag string, err error) {
	header, err := c.doHeader(ctx, call{method: http.MethodGet, path: api("titles", id, "draft")}, &d)
	return d, header.Get("ETag"), err
}

// SaveDraftOptions are options of [Client.SaveDraft]. A nil *SaveDraftOptions is the zero value.
type SaveDraftOptions struct {
	// IfMatch is the ETag that the draft must have; otherwise the call returns ErrPrecondition. If empty, the draft is
	// saved in any case.
	IfMatch string
	// NoDraft demands that the title has no draft yet; otherwise the call returns ErrPrecondition.
	NoDraft bool
	// Base is the ETag of the title's definition to which the draft belongs from now on. If empty, a draft keeps its
	// base, and a new one belongs to the definition that the title has now.
	Base string
	// Whole says that the definition has all disabled versions of the title, as that of Whole does: one that is absent
	// is removed when the draft is published. Otherwise, it is kept. A draft that was begun without Whole stays so
	// until Base is set.
	Whole bool
}

// SaveDraft saves the draft of a title, or of a new one, as JSON. It may be incomplete or invalid. The result says what
// stands against publishing it.
func (c *Client) SaveDraft(ctx context.Context, id string, definition []byte, opts *SaveDraftOptions) (
	check wire.DraftCheck, etag string, err error,
) {
	q := call{method: http.MethodPut, path: api("titles", id, "draft"), body: definition}
	if opts != nil {
		q.header = (&EditOptions{IfMatch: opts.IfMatch}).header()
		if opts.NoDraft {
			q.header = http.Header{"If-None-Match": {"*"}}
		}
		q.query = url.Values{}
		if opts.Base != "" {
			q.query.Set("base", opts.Base)
		}
		if opts.Whole {
			q.query.Set("disabled", "1")
		}
	}
	header, err := c.doHeader(ctx, q, &check)
	return check, header.Get("ETag"), err
}

// DiscardDraft discards the draft of a title. A title that was never served is deleted with it. opts.IfMatch is the
// ETag that the draft must have.
func (c *Client) DiscardDraft(ctx context.Context, id string, opts *EditOptions) error {
	return c.do(ctx, call{method: http.MethodDelete, path: api("titles", id, "draft"), header: opts.header()}, nil)
}

// PublishDraft makes the draft of a title its definition. opts.IfMatch is the ETag that the draft must have. If the
// title has changed since the draft was begun, it returns ErrConflict; see [DraftConflict].
func (c *Client) PublishDraft(ctx context.Context, id string, opts *EditOptions) (a wire.Answer, err error) {
	q := call{method: http.MethodPost, path: api("titles", id, "draft", "publish"), header: opts.header()}
	return a, c.do(ctx, q, &a)
}

// DraftConflict returns the definitions that are in conflict, if err is the error of a draft that cannot be published
// because its title has changed.
func DraftConflict(err error) (conflict wire.DraftConflict, ok bool) {
	var answered *Error
	if !errors.As(err, &answered) || answered.Code != wire.CodeDraftConflict {
		return conflict, false
	}
	data, err := json.Marshal(answered.Detail)
	if err != nil {
		return conflict, false
	}
	return conflict, json.Unmarshal(data, &conflict) == nil
}

// Drafts returns the drafts of the titles that the token may change.
func (c *Client) Drafts(ctx context.Context) ([]wire.DraftSummary, error) {
	var list wire.DraftList
	err := c.do(ctx, call{method: http.MethodGet, path: api("drafts")}, &list)
	return list.Drafts, err
}

// Disable serves a title no longer. Its definition becomes its draft; [Client.PublishDraft] serves it again.
func (c *Client) Disable(ctx context.Context, id string, opts *EditOptions) (a wire.Answer, err error) {
	q := call{method: http.MethodPost, path: api("titles", id, "disable"), header: opts.header()}
	return a, c.do(ctx, q, &a)
}

// Whole returns the definition of a title with its disabled versions. The token must be one for the title.
func (c *Client) Whole(ctx context.Context, id string) (def *patch.Definition, etag string, err error) {
	def = &patch.Definition{}
	q := call{method: http.MethodGet, path: api("titles", id), query: url.Values{"disabled": {"1"}}}
	header, err := c.doHeader(ctx, q, def)
	if err != nil {
		return nil, "", err
	}
	return def, header.Get("ETag"), nil
}

// CloneVersion adds a copy of a version in front, in which every place that named the version names next.
func (c *Client) CloneVersion(ctx context.Context, id, version, next string, opts *EditOptions) (
	a wire.Answer, err error,
) {
	data, err := encode(wire.CloneRequest{Version: next})
	if err != nil {
		return a, err
	}
	path := api("titles", id, "versions", version, "clone")
	return a, c.do(ctx, call{method: http.MethodPost, path: path, header: opts.header(), body: data}, &a)
}

// OrderVersions puts all versions of a title that are served into another order, newest first.
func (c *Client) OrderVersions(ctx context.Context, id string, versions []string, opts *EditOptions) (
	a wire.Answer, err error,
) {
	data, err := encode(wire.OrderRequest{Versions: versions})
	if err != nil {
		return a, err
	}
	q := call{method: http.MethodPost, path: api("titles", id, "order"), header: opts.header(), body: data}
	return a, c.do(ctx, q, &a)
}

// An ApplicationInfo describes an application for [Client.FromApplication].
type ApplicationInfo struct {
	// FileName is the file name of the application, such as "Composer.app".
	FileName string
	// Publisher is the vendor. The default is the name of the title.
	Publisher string
	// Name is the name of the title. The default is that of the application.
	Name string
	// Released is the release date. The default is the time of the call.
	Released time.Time
	// Info is the content of Contents/Info.plist, as XML or binary.
	Info []byte
}

// FromApplication returns a definition that is made from an application, and lint's warnings about it. Nothing is
// stored.
func (c *Client) FromApplication(ctx context.Context, app ApplicationInfo) (d wire.DefinitionDraft, err error) {
	query := url.Values{"app_name": {app.FileName}}
	if app.Publisher != "" {
		query.Set("publisher", app.Publisher)
	}
	if app.Name != "" {
		query.Set("name", app.Name)
	}
	if !app.Released.IsZero() {
		query.Set("release_date", patch.FormatTime(app.Released))
	}
	q := call{
		method:      http.MethodPost,
		path:        api("definitions", "from-application"),
		query:       query,
		body:        app.Info,
		contentType: typeBinary,
	}
	return d, c.do(ctx, q, &d)
}
