package client

import (
	"context"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// Sources returns the upstreams that the server follows and the state of each, as far as the caller may see them.
func (c *Client) Sources(ctx context.Context) ([]wire.Source, error) {
	var list wire.SourceList
	return list.Sources, c.get(ctx, api("sync"), nil, &list)
}

// Subscribe creates a title that follows the definition at a URL. The definition must have the given id.
func (c *Client) Subscribe(ctx context.Context, id, definitionURL string) (wire.Answer, error) {
	return c.post(ctx, api("subscribe"), wire.Subscription{ID: id, URL: definitionURL})
}

// Unsubscribe ends a subscription and deletes its title.
func (c *Client) Unsubscribe(ctx context.Context, id string) (wire.Answer, error) {
	return c.post(ctx, api("unsubscribe", id), nil)
}

// Sync has the upstream of a title polled soon.
func (c *Client) Sync(ctx context.Context, id string) (wire.Answer, error) {
	return c.post(ctx, api("titles", id, "sync"), nil)
}

// SyncMirror has all titles of a mirror polled soon. It needs an administrator's token.
func (c *Client) SyncMirror(ctx context.Context, name string) (wire.Answer, error) {
	return c.post(ctx, api("sync"), wire.SyncRequest{Mirror: name})
}
