package httpapi

import (
	"cmp"
	"net/http"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// webhookCalls are the calls about webhooks.
type webhookCalls struct {
	*core
	webhooks Webhooks
}

func (c *webhookCalls) list(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.permitted(r, auth.ActionAdminister); err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, append([]wire.Webhook{}, c.webhooks.List()...))
}

func (c *webhookCalls) create(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	enabled, verify, null := true, true, false
	body := wire.WebhookRequest{Enabled: &enabled, VerifySSL: &verify}
	if err := c.bodies.object(w, r, &body); err != nil {
		return err
	}
	body.Enabled, body.VerifySSL = cmp.Or(body.Enabled, &null), cmp.Or(body.VerifySSL, &null)
	id, err := c.webhooks.Create(r.Context(), body)
	if err != nil {
		return err
	}
	c.logChange(r, "webhook created", principal, "webhook", id)
	answer.WriteJSON(w, http.StatusCreated, wire.WebhookCreated{
		ID:      id,
		Message: "The webhook receives changes from now on.",
	})
	return nil
}

func (c *webhookCalls) delete(w http.ResponseWriter, r *http.Request) error {
	principal, id, err := c.administered(r)
	if err != nil {
		return err
	}
	if err := c.webhooks.Delete(r.Context(), id); err != nil {
		return err
	}
	c.logChange(r, "webhook deleted", principal, "webhook", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *webhookCalls) test(w http.ResponseWriter, r *http.Request) error {
	_, id, err := c.administered(r)
	if err != nil {
		return err
	}
	if err := c.webhooks.Test(r.Context(), id); err != nil {
		return err
	}
	return c.reply(w, r, http.StatusAccepted, wire.Answer{
		Message: "A test event will be sent in a moment; see /api/v1/webhooks for the result.",
		ID:      id,
	})
}

func (c *webhookCalls) deliveries(w http.ResponseWriter, r *http.Request) error {
	_, id, err := c.administered(r)
	if err != nil {
		return err
	}
	all, err := c.webhooks.Deliveries(r.Context(), id)
	if err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, wire.DeliveryList{Deliveries: append([]wire.Delivery{}, all...)})
}

func (c *webhookCalls) retry(w http.ResponseWriter, r *http.Request) error {
	principal, id, err := c.administered(r)
	if err != nil {
		return err
	}
	delivery, err := variable(r, "delivery")
	if err != nil {
		return err
	}
	if err := c.webhooks.Retry(r.Context(), id, delivery); err != nil {
		return err
	}
	c.logChange(r, "delivery retried", principal, "webhook", id, "delivery", delivery)
	return c.reply(w, r, http.StatusAccepted, wire.Answer{
		Message: "The event will be sent in a moment; see the deliveries of the webhook for the result.",
		ID:      id,
	})
}

// administered returns the administrator that a request comes from, and the id of the webhook in its path.
func (c *webhookCalls) administered(r *http.Request) (principal auth.Principal, id string, err error) {
	if principal, err = c.access.permitted(r, auth.ActionAdminister); err != nil {
		return principal, "", err
	}
	id, err = variable(r, "id")
	return principal, id, err
}
