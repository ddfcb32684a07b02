package services

import (
	"context"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/sync/webhook"
)

// Webhooks returns s as a service of package httpapi. It returns nil if s is nil.
func Webhooks(s *webhook.Service) httpapi.Webhooks {
	if s == nil {
		return nil
	}
	return hooks{s}
}

type hooks struct{ service *webhook.Service }

func (h hooks) List() (all []wire.Webhook) {
	for _, s := range h.service.List() {
		one := wire.Webhook{
			ID:             s.Hook.ID,
			URL:            s.Hook.URL,
			Enabled:        s.Hook.Enabled,
			VerifySSL:      s.Hook.VerifySSL,
			SendDefinition: s.Hook.SendDefinition,
			Format:         string(s.Hook.Format),
			Signed:         s.Signed,
			Events:         []string{},
			Titles:         append([]string{}, s.Hook.Titles...),
			Pending:        s.Pending,
			Dropped:        s.Dropped,
			Failures:       s.Failures,
			LastAttempt:    wire.Time(s.LastAttempt),
			LastSuccess:    wire.Time(s.LastSuccess),
			NextAttempt:    wire.Time(s.NextAttempt),
			LastError:      wire.String(s.LastError),
			Status:         s.Status,
		}
		for _, kind := range s.Hook.Events {
			one.Events = append(one.Events, webhook.NameOf(kind))
		}
		all = append(all, one)
	}
	return all
}

func (h hooks) Create(ctx context.Context, req wire.WebhookRequest) (id string, err error) {
	hook := webhook.Hook{
		URL:            req.URL,
		Enabled:        req.Enabled == nil || *req.Enabled,
		VerifySSL:      req.VerifySSL == nil || *req.VerifySSL,
		SendDefinition: req.SendDefinition,
		Secret:         req.Secret,
		Format:         webhook.Format(req.Format),
		Titles:         req.Titles,
	}
	for _, name := range req.Events {
		kind, _ := webhook.KindOf(name) // the service rejects the empty kind of an unknown name
		hook.Events = append(hook.Events, kind)
	}
	id, err = h.service.Create(ctx, hook)
	return id, translate(err)
}

func (h hooks) Delete(ctx context.Context, id string) error {
	return translate(h.service.Delete(ctx, id))
}

func (h hooks) Test(ctx context.Context, id string) error { return translate(h.service.Test(ctx, id)) }

func (h hooks) Deliveries(ctx context.Context, id string) ([]wire.Delivery, error) {
	all, err := h.service.Deliveries(ctx, id)
	if err != nil {
		return nil, translate(err)
	}
	deliveries := make([]wire.Delivery, 0, len(all))
	for _, d := range all {
		deliveries = append(deliveries, wire.Delivery{
			ID:          d.ID,
			Event:       webhook.NameOf(d.Kind),
			Title:       d.Title,
			Version:     d.Version,
			At:          wire.Time(d.At),
			Attempts:    d.Attempts,
			LastAttempt: wire.Time(d.LastAttempt),
			Status:      d.Status,
			Error:       d.Error,
			State:       string(d.State),
			NextAttempt: wire.Time(d.NextAttempt),
		})
	}
	return deliveries, nil
}

func (h hooks) Retry(ctx context.Context, id, delivery string) error {
	return translate(h.service.Retry(ctx, id, delivery))
}
