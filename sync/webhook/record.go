package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

const (
	hooksKind      = "webhooks"
	deliveriesKind = "deliveries"
	format         = 1 // of records that this version writes
)

// A hookRecord is a webhook in the store.
type hookRecord struct {
	Format         int                 `json:"format"`
	URL            string              `json:"url"`
	Enabled        bool                `json:"enabled"`
	VerifySSL      bool                `json:"verify_ssl"`
	SendDefinition bool                `json:"send_definition"`
	Sealed         []byte              `json:"sealed_secret,omitempty"`
	Form           Format              `json:"form"`
	Events         []catalog.EventKind `json:"events,omitempty"`
	Titles         []string            `json:"titles,omitempty"`
}

// A deliveryRecord is an event that waits for a webhook.
type deliveryRecord struct {
	Format int            `json:"format"`
	Hook   string         `json:"hook"`
	Notice catalog.Notice `json:"notice"`
}

func (w *Service) seal(h Hook) *hookRecord {
	rec := &hookRecord{
		Format:         format,
		URL:            h.URL,
		Enabled:        h.Enabled,
		VerifySSL:      h.VerifySSL,
		SendDefinition: h.SendDefinition,
		Form:           h.Format,
		Events:         h.Events,
		Titles:         h.Titles,
	}
	if h.Secret != "" {
		rec.Sealed = w.sealer.Seal(nil, nil, []byte(h.Secret), []byte(h.ID))
	}
	return rec
}

func (w *Service) open(rec store.Record) (Hook, error) {
	var r hookRecord
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return Hook{}, err
	}
	if r.Format != format {
		return Hook{}, store.NewerFormat(rec.Key, r.Format, format)
	}
	h := Hook{
		ID:             rec.Key.ID,
		URL:            r.URL,
		Enabled:        r.Enabled,
		VerifySSL:      r.VerifySSL,
		SendDefinition: r.SendDefinition,
		Format:         r.Form,
		Events:         r.Events,
		Titles:         r.Titles,
	}
	if r.Sealed != nil {
		if w.sealer == nil {
			return h, fmt.Errorf("its secret cannot be opened: there is no key")
		}
		secret, err := w.sealer.Open(nil, nil, r.Sealed, []byte(h.ID))
		if err != nil {
			return h, fmt.Errorf("its secret cannot be opened: the server's secret is another than when it was made")
		}
		h.Secret = string(secret)
	}
	return h, nil
}

// loadHooks brings the webhooks here to those in the store.
func (w *Service) loadHooks(ctx context.Context) error {
	w.changing.Lock() // so that none is made meanwhile
	defer w.changing.Unlock()
	there, locked := map[string]Hook{}, map[string]string{}
	for rec, err := range w.store.List(ctx, hooksKind) {
		if err != nil {
			return unavailable(ctx, err)
		}
		h, err := w.open(rec)
		if errors.Is(err, store.ErrFormat) {
			return err
		}
		if err != nil {
			// Sent unsigned would be worse than not sent.
			w.log.Error(
				"a webhook is told nothing until it can be read; what it is to be told is kept",
				"webhook",
				rec.Key.ID,
				"error",
				err,
			)
			if h.ID == "" {
				continue
			}
			locked[h.ID] = err.Error()
		}
		there[h.ID] = h
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, h := range w.hooks {
		if _, ok := there[id]; !ok {
			h.gone = true
			delete(w.hooks, id)
			for _, d := range h.waiting() { // who deleted it removes them
				delete(w.known, d.key.ID)
			}
		}
	}
	for id, h := range there {
		if w.hooks[id] == nil {
			w.hooks[id] = newHook(h)
			if text := locked[id]; text != "" {
				w.hooks[id].locked, w.hooks[id].status.LastError = true, text
			}
		}
	}
	return nil
}

// keyOf returns the key that a secret means.
func keyOf(secret string) ([]byte, error) {
	if coded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		return base64.StdEncoding.DecodeString(coded)
	}
	return []byte(secret), nil
}
