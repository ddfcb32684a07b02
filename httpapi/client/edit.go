package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// EditOptions are options of a change of a title. A nil *EditOptions is the zero value.
type EditOptions struct {
	// IfMatch is the ETag of the definition that the change is based on. If the title has changed since, the call
	// returns ErrPrecondition. If empty, the title is changed in any case.
	IfMatch string
}

func (o *EditOptions) header() http.Header {
	if o == nil || o.IfMatch == "" {
		return nil
	}
	return http.Header{"If-Match": {o.IfMatch}}
}

// Create creates a title. It returns ErrConflict if the id is taken.
func (c *Client) Create(ctx context.Context, def *patch.Definition) (wire.Answer, error) {
	return c.post(ctx, api("title"), def)
}

// CreateJSON is [Client.Create] with a definition in JSON, which is sent unchanged, so that the failures of an [*Error]
// point into it.
func (c *Client) CreateJSON(ctx context.Context, definition []byte) (a wire.Answer, err error) {
	return a, c.do(ctx, call{method: http.MethodPost, path: api("title"), body: definition}, &a)
}

// Publish publishes a title without an account. The token for the title is mailed to its author.
func (c *Client) Publish(ctx context.Context, p wire.Publication) (wire.Answer, error) {
	return c.post(ctx, api("title"), p)
}

// PublishJSON is [Client.Publish] with a definition in JSON in place of that of p. It is sent as it is but for space,
// so that the failures of an [*Error] point into it.
func (c *Client) PublishJSON(ctx context.Context, p wire.Publication, definition []byte) (wire.Answer, error) {
	return c.post(ctx, api("title"), struct {
		wire.Publication
		Definition json.RawMessage `json:"definition"` // hides that of the Publication
	}{p, definition})
}

// Replace replaces the definition of the title that has the id of def. It returns ErrNotFound if there is none.
func (c *Client) Replace(ctx context.Context, def *patch.Definition, opts *EditOptions) (wire.Answer, error) {
	data, err := encode(def)
	if err != nil {
		return wire.Answer{}, err
	}
	return c.ReplaceJSON(ctx, def.ID, data, opts)
}

// ReplaceJSON is [Client.Replace] with a definition in JSON, which is sent unchanged, so that the failures of an
// [*Error] point into it.
func (c *Client) ReplaceJSON(ctx context.Context, id string, definition []byte, opts *EditOptions) (
	a wire.Answer, err error,
) {
	q := call{method: http.MethodPut, path: api("titles", id), header: opts.header(), body: definition}
	return a, c.do(ctx, q, &a)
}

// Put creates a title or, if it exists, replaces its definition. It reports whether it created the title.
func (c *Client) Put(ctx context.Context, def *patch.Definition) (a wire.Answer, created bool, err error) {
	a, replaceErr := c.Replace(ctx, def, nil)
	if !errors.Is(replaceErr, ErrNotFound) && !errors.Is(replaceErr, ErrForbidden) {
		return a, false, replaceErr
	}
	// The id may be that of a title that the token may not change, although it may create a title: a contributor's
	// titles have the contributor's name in their ids.
	a, err = c.Create(ctx, def)
	var answered *Error
	switch {
	case errors.Is(err, ErrForbidden):
		return a, false, replaceErr
	case errors.Is(err, ErrConflict) && errors.As(err, &answered):
		id, ok := answered.Detail.(string)
		if !ok {
			return a, false, err
		}
		data, encodeErr := encode(def)
		if encodeErr != nil {
			return a, false, encodeErr
		}
		a, err = c.ReplaceJSON(ctx, id, data, nil)
		return a, false, err
	}
	return a, err == nil, err
}

// Delete deletes a title.
func (c *Client) Delete(ctx context.Context, id string, opts *EditOptions) (a wire.Answer, err error) {
	return a, c.do(ctx, call{method: http.MethodDelete, path: api("titles", id), header: opts.header()}, &a)
}

// A Place is a place among the versions of a title. The zero Place is the one that version order gives each version.
type Place struct {
	// Before or After is the version that the new one is placed beside.
	Before, After string
	// Front places the new versions before all others. At most one of Before, After and Front may be set.
	Front bool
}

// AddOptions are options of [Client.AddVersions]. A nil *AddOptions is the zero value.
type AddOptions struct {
	EditOptions
	At Place
}

func (o *AddOptions) apply(q *call) {
	q.query = url.Values{}
	var at Place
	if o != nil {
		q.header, at = o.header(), o.At
	}
	for name, value := range map[string]string{"insert_before": at.Before, "insert_after": at.After} {
		if value != "" {
			q.query.Set(name, value)
		}
	}
	if len(q.query) == 0 && !at.Front {
		q.query.Set("insert", "ordered")
	}
}

// AddVersions adds versions to a title, the newest first. It adds all of them or none.
func (c *Client) AddVersions(ctx context.Context, id string, versions []patch.Patch, opts *AddOptions) (
	a wire.Answer, err error,
) {
	data, err := encode(map[string]any{"items": versions})
	if err != nil {
		return a, err
	}
	return c.AddVersionsJSON(ctx, id, data, opts)
}

// AddVersionsJSON is [Client.AddVersions] with JSON, which is sent unchanged, so that the failures of an [*Error] point
// into it: one version, or an object with an array of versions in its member items.
func (c *Client) AddVersionsJSON(ctx context.Context, id string, versions []byte, opts *AddOptions) (
	a wire.Answer, err error,
) {
	q := call{method: http.MethodPost, path: api("titles", id, "versions"), body: versions}
	opts.apply(&q)
	return a, c.do(ctx, q, &a)
}

// RemoveVersion removes a version of a title. It returns ErrInvalid for the only version.
func (c *Client) RemoveVersion(ctx context.Context, id, version string, opts *EditOptions) (a wire.Answer, err error) {
	q := call{method: http.MethodDelete, path: api("titles", id, "versions", version), header: opts.header()}
	return a, c.do(ctx, q, &a)
}

// RestoreRevision makes the definition of a revision the current one.
func (c *Client) RestoreRevision(ctx context.Context, id string, number uint64, opts *EditOptions) (
	a wire.Answer, err error,
) {
	q := call{
		method: http.MethodPost,
		path:   api("titles", id, "history", strconv.FormatUint(number, 10), "restore"),
		header: opts.header(),
	}
	return a, c.do(ctx, q, &a)
}
