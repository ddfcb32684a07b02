package auth

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/store"
)

// ErrSecret is returned by [CheckSecret] for a secret that is not that of the store.
var ErrSecret = errors.New("the server's secret is not the one that this store is used with: " +
	"use the secret of the other servers, or of the earlier one; with another secret, a server recognizes neither " +
	"the addresses of authors nor the secrets of webhooks, and links in mails do not open")

// secretKey is the record by which a server finds out whether its secret is that of the others.
var secretKey = store.Key{Kind: "config", ID: "secret"}

const secretFormat = 1

// A secretRecord has a key that is derived from the secret, and that is used for nothing else.
type secretRecord struct {
	Format int    `json:"format"`
	Check  string `json:"check"` // in hexadecimal
}

// CheckSecret checks that a secret is the one that a store is used with. The first secret that a store is used with
// becomes that of the store: CheckSecret records a key derived from it, which reveals nothing about the others. The
// record is not part of a full backup, so that a backup can be loaded with another secret.
//
// The error is [ErrSecret], [ErrUnavailable] or that of ctx.
func CheckSecret(ctx context.Context, s store.Store, secret Secret) error {
	value, check, err := checkValue(secret)
	if err != nil {
		return err
	}
	var current secretRecord
	_, err = store.Update(ctx, s, secretKey, func(old store.Record) ([]byte, error) {
		if old.Revision == "" {
			current.Check = check
			return value, nil
		}
		current = secretRecord{}
		if err := json.Unmarshal(old.Value, &current); err != nil {
			return nil, &decodeError{secretKey, err}
		}
		if current.Format != secretFormat {
			return nil, &decodeError{secretKey, store.NewerFormat(secretKey, current.Format, secretFormat)}
		}
		return nil, nil
	})
	var undecodable *decodeError
	switch {
	case errors.As(err, &undecodable):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case subtle.ConstantTimeCompare([]byte(current.Check), []byte(check)) != 1:
		return ErrSecret
	}
	return nil
}

// ReplaceSecret makes a secret that of a store. It is for a secret that was lost, and for stores with one server; no
// other server may run. The error is [ErrUnavailable] or that of ctx.
func ReplaceSecret(ctx context.Context, s store.Store, secret Secret) error {
	value, _, err := checkValue(secret)
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, secretKey, value, store.Condition{}); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, secretKey, err)
	}
	return nil
}

// HasSecret reports whether a store was used with a secret before. The error is [ErrUnavailable] or that of ctx.
func HasSecret(ctx context.Context, s store.Store) (bool, error) {
	_, err := s.Get(ctx, secretKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, fmt.Errorf("%w: %s: %w", ErrUnavailable, secretKey, err)
	}
	return err == nil, nil
}

// checkValue returns the value of the record for a secret, and the check in it.
func checkValue(secret Secret) (value []byte, check string, err error) {
	if secret.IsZero() {
		return nil, "", errors.New("auth: the zero Secret cannot be checked: make one with LoadSecret or NewSecret")
	}
	check = hex.EncodeToString(secret.Key("check of the secret in the store"))
	value, err = json.Marshal(secretRecord{Format: secretFormat, Check: check})
	return value, check, err
}
