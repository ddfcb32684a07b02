package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/patchsource/patchsource/store"
)

// adoptedKey is the record of the tokens that were adopted. It outlives the tokens' own records: a token that was
// adopted once is never taken for a new one.
var adoptedKey = store.Key{Kind: "config", ID: "adopted-tokens"}

// An adoptedList is what the store has of the tokens that were adopted.
type adoptedList struct {
	Format int      `json:"format"`
	IDs    []string `json:"ids"`
}

const adoptedFormat = 1

// Adopt makes an administrator's token of one that was made elsewhere, such as
// one that an operator put into a file. It does nothing if it is one already.
//
// The error is [ErrUnauthorized] if token has not the form of one, or is not an administrator's, [ErrRevoked] if it is
// an administrator's that has ended, [ErrUnavailable] or that of ctx. A token that was adopted before and of which
// nothing is known now has ended, too.
func (a *Service) Adopt(ctx context.Context, token string) error {
	id, ok := tokenID(token)
	if !ok {
		return fmt.Errorf("%w: it has not the form of a token that this server makes "+
			"(pst_ and 59 letters and digits); one cannot be made up", ErrUnauthorized)
	}
	adopted, rev, err := a.adopted(ctx)
	if err != nil {
		return err
	}
	before := slices.Contains(adopted.IDs, id)
	k, _ := a.tokens.get(id)
	switch {
	case k == nil && before:
		return fmt.Errorf("%w, or its record was lost", ErrRevoked)
	case k == nil:
		if err := a.add(ctx, token, id, Grant{Kind: Administrator}, origin{}); err != nil {
			return err
		}
	case k.hash != hashOf(token) || k.Kind != Administrator:
		return fmt.Errorf("%w: it is not an administrator's", ErrUnauthorized)
	default:
		if _, live := a.judge(a.now()).live(k); !live {
			return fmt.Errorf("%w or has expired", ErrRevoked)
		}
	}
	if before {
		return nil
	}
	return a.remember(ctx, id, adopted, rev)
}

// adopted returns the list of the tokens that were adopted, and its revision.
func (a *Service) adopted(ctx context.Context) (list adoptedList, rev store.Revision, err error) {
	r, err := a.store.Get(ctx, adoptedKey)
	if errors.Is(err, store.ErrNotFound) {
		return adoptedList{Format: adoptedFormat}, "", nil
	}
	if err != nil {
		return list, "", fmt.Errorf("%w: %s: %w", ErrUnavailable, adoptedKey, err)
	}
	if err := json.Unmarshal(r.Value, &list); err != nil {
		return list, "", fmt.Errorf("auth: %s: %w", adoptedKey, err)
	}
	if list.Format != adoptedFormat {
		return list, "", fmt.Errorf("auth: %w", store.NewerFormat(adoptedKey, list.Format, adoptedFormat))
	}
	return list, r.Revision, nil
}

// remember adds a token to the list of those that were adopted.
func (a *Service) remember(ctx context.Context, id string, list adoptedList, rev store.Revision) error {
	for range maxTries {
		list.IDs = append(list.IDs, id)
		data, err := json.Marshal(list)
		if err != nil {
			return err
		}
		cond := store.IfRevision(rev)
		if rev == "" {
			cond = store.IfAbsent()
		}
		_, err = a.store.Put(ctx, adoptedKey, data, cond)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("%w: %s: %w", ErrUnavailable, adoptedKey, err)
		}
		if list, rev, err = a.adopted(ctx); err != nil {
			return err
		}
		if slices.Contains(list.IDs, id) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is changed by others too fast: try again", ErrUnavailable, adoptedKey)
}
