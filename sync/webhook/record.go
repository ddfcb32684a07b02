package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

const (
	hooksKind      = "webhooks"
	deliveriesKind = "deliveries"
	logKind        = "deliverylog"
	format         = 1 // of the records that this version writes
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

// A deliveryRecord is a pending event in the store.
type deliveryRecord struct {
	Format int            `json:"format"`
	Hook   string         `json:"hook"`
	Notice catalog.Notice `json:"notice"`
	// Retried is the time of the last call of Service.Retry for the event. The event is retried for a day from then on.
	Retried time.Time `json:"retried,omitzero"`
}

// A vault encrypts the secrets of webhooks in their records.
type vault struct{ aead cipher.AEAD } // nil: there is no key

// newVault returns a vault with a key, which may be nil.
func newVault(key []byte) (vault, error) {
	if key == nil {
		return vault{}, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return vault{}, fmt.Errorf("the key for the secrets is invalid: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return vault{}, fmt.Errorf("the key for the secrets is invalid: %w", err)
	}
	return vault{aead}, nil
}

// seal returns the record of a webhook. A webhook with a secret needs a key.
func (v vault) seal(h Hook) *hookRecord {
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
		rec.Sealed = v.aead.Seal(nil, nil, []byte(h.Secret), []byte(h.ID))
	}
	return rec
}

// open returns the webhook of a record. The error is [store.ErrFormat] if a newer version wrote the record. If only the
// secret cannot be decrypted, open returns the webhook and an error.
func (v vault) open(rec store.Record) (Hook, error) {
	var r hookRecord
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return Hook{}, err
	}
	if r.Format > format {
		return Hook{}, store.NewerFormat(rec.Key, r.Format, format)
	}
	if r.Format != format {
		return Hook{}, errors.New("its record has no format")
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
	if r.Sealed == nil {
		return h, nil
	}
	if v.aead == nil {
		return h, errors.New("the secret cannot be decrypted: the server has no key")
	}
	secret, err := v.aead.Open(nil, nil, r.Sealed, []byte(h.ID))
	if err != nil {
		return h, errors.New("the secret cannot be decrypted: the server has another secret than when it was encrypted")
	}
	h.Secret = string(secret)
	return h, nil
}
