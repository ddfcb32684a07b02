package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/patchsource/patchsource/store"
)

// adoptedKey is the record of the adopted tokens. It outlives the tokens' own records, so that an adopted token is
// never taken for a new one.
var adoptedKey = store.Key{Kind: "config", ID: "adopted-tokens"}

const adoptedFormat = 1

// An adoptedList is the record of the adopted tokens.
type adoptedList struct {
	Format int      `json:"format"`
	IDs    []string `json:"ids"`
}

// Adopt makes a token that was made elsewhere an administrator's, such as one that an operator has put into a file. It
// does nothing if the token is already an administrator's.
//
// The error is [ErrUnauthorized] if token does not have the form of a token, or is a valid one of another kind;
// [ErrRevoked] if it has ended, also if it was adopted before and its record is gone; [ErrUnavailable] or that of ctx.
func (a *Service) Adopt(ctx context.Context, token string) error {
	id, ok := tokenID(token)
	if !ok {
		return &unauthorizedError{"it does not have the form of a token that this server makes " +
			"(pst_ and 59 letters and digits)"}
	}
	adopted, err := a.wasAdopted(ctx, id)
	if err != nil {
		return err
	}
	e, err := a.storedToken(ctx, id)
	if err == nil && e == nil && !adopted {
		// After a conflict, memory has what another server has adopted at the same time.
		if err = a.add(ctx, token, id, Grant{Kind: Administrator}, origin{}); errors.Is(err, store.ErrConflict) {
			err = nil
		}
		e, _ = a.tokens.get(id)
	}
	switch {
	case err != nil:
		return err
	case e == nil:
		return fmt.Errorf("%w, or its record was lost", ErrRevoked)
	case e.hash != hashOf(token) || e.Kind != Administrator:
		return &unauthorizedError{"it is not an administrator's token"}
	default:
		if _, valid := a.evaluator(a.now()).evaluate(e); !valid {
			return fmt.Errorf("%w or has expired", ErrRevoked)
		}
	}
	if adopted {
		return nil
	}
	return a.recordAdopted(ctx, id)
}

// storedToken returns a token, which it reads from a store that other servers use too, because one of them may have
// made it since Open. It is nil if there is none. The error is [ErrUnavailable] or that of ctx.
func (a *Service) storedToken(ctx context.Context, id string) (*entry, error) {
	if a.shared {
		if err := a.tokens.reload(ctx, id); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	e, _ := a.tokens.get(id)
	return e, nil
}

// wasAdopted reports whether a token was adopted before.
func (a *Service) wasAdopted(ctx context.Context, id string) (bool, error) {
	r, err := a.store.Get(ctx, adoptedKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, fmt.Errorf("%w: %s: %w", ErrUnavailable, adoptedKey, err)
	}
	list, err := decodeAdopted(r)
	return slices.Contains(list.IDs, id), err
}

// recordAdopted adds a token to the record of the adopted tokens.
func (a *Service) recordAdopted(ctx context.Context, id string) error {
	_, err := store.Update(ctx, a.store, adoptedKey, func(old store.Record) ([]byte, error) {
		list, err := decodeAdopted(old)
		if err != nil || slices.Contains(list.IDs, id) {
			return nil, err
		}
		list.IDs = append(list.IDs, id)
		return json.Marshal(list)
	})
	var undecodable *decodeError
	if err != nil && !errors.As(err, &undecodable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// decodeAdopted reads the record of the adopted tokens, which may not exist. The error is a *decodeError.
func decodeAdopted(r store.Record) (list adoptedList, err error) {
	if r.Revision == "" {
		return adoptedList{Format: adoptedFormat}, nil
	}
	if err := json.Unmarshal(r.Value, &list); err != nil {
		return list, &decodeError{adoptedKey, err}
	}
	if list.Format != adoptedFormat {
		return list, &decodeError{adoptedKey, store.NewerFormat(adoptedKey, list.Format, adoptedFormat)}
	}
	return list, nil
}
