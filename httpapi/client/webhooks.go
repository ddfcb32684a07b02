package client

import (
	"context"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// Webhooks returns all webhooks and the state of their deliveries.
func (c *Client) Webhooks(ctx context.Context) (all []wire.Webhook, err error) {
	return all, c.get(ctx, api("webhooks"), nil, &all)
}

// CreateWebhook creates a webhook.
func (c *Client) CreateWebhook(ctx context.Context, request wire.WebhookRequest) (w wire.WebhookCreated, err error) {
	q := call{method: http.MethodPost, path: api("webhooks")}
	if q.body, err = encode(request); err != nil {
		return w, err
	}
	return w, c.do(ctx, q, &w)
}

// DeleteWebhook deletes a webhook.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: api("webhooks", id)}, nil)
}

// TestWebhook has a test event delivered to a webhook.
func (c *Client) TestWebhook(ctx context.Context, id string) (wire.Answer, error) {
	return c.post(ctx, api("webhooks", id, "test"), nil)
}

// Deliveries returns the deliveries of the newest events of a webhook, at most 100, the newest event first. The error
// is [ErrNotFound] for an unknown webhook.
func (c *Client) Deliveries(ctx context.Context, id string) ([]wire.Delivery, error) {
	var list wire.DeliveryList
	err := c.get(ctx, api("webhooks", id, "deliveries"), nil, &list)
	return list.Deliveries, err
}

// RetryDelivery tries a pending delivery at once, and queues the event of a delivered or dropped one again. The error
// is [ErrNotFound] for an unknown webhook or delivery, and [ErrForbidden] if the queue of the webhook is full.
func (c *Client) RetryDelivery(ctx context.Context, id, delivery string) (wire.Answer, error) {
	return c.post(ctx, api("webhooks", id, "deliveries", delivery, "retry"), nil)
}
