package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/store"
)

// epochKind is the kind of an owner's epoch. Its id is the owner.
const epochKind = "epochs"

// An epoch is what the store has of an owner's epoch. Tokens of the owner with an epoch before Current have ended.
type epoch struct {
	Format  int    `json:"format"`
	Current uint64 `json:"current"`
	// Issued is the latest epoch that a token was made with.
	Issued uint64 `json:"issued"`
}

const epochFormat = 1

func decodeEpoch(r store.Record, _ epoch) (e epoch, err error) {
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return e, err
	}
	if e.Format != epochFormat {
		return e, store.NewerFormat(r.Key, e.Format, epochFormat)
	}
	return e, nil
}

// ownerOf returns the owner of a token that is made for a title's author or a contributor: the title or contributor;
// empty if there is none.
func ownerOf(g Grant) string {
	switch {
	case g.Kind == Contributor:
		return "contributor/" + g.Contributor
	case g.Kind == TitleToken && len(g.Titles) == 1:
		return ownerOfTitle(g.Titles[0])
	}
	return ""
}

func ownerOfTitle(uid string) string { return "title/" + uid }

// recoveryLifetime is how long a token that was recovered may wait for its first use: the mail that it is in may be
// read by others one day.
const recoveryLifetime = 7 * 24 * time.Hour

// Recover makes a token for the author of a title, or for a contributor, to replace one that was lost. The owner's other
// tokens, and all that were made with them, end when it is first used, in one step; those made in the meantime, too.
// Tokens that an administrator or editor made stay good. A token that is not used within a week ends.
//
// The error is [ErrGrant], also for a grant that is not for one title or contributor, [ErrUnavailable] or that of ctx.
func (a *Service) Recover(ctx context.Context, g Grant) (token, id string, err error) {
	if err := a.check(g); err != nil {
		return "", "", err
	}
	owner := ownerOf(g)
	if owner == "" {
		return "", "", fmt.Errorf("%w: only the token of one title or contributor is recovered", ErrGrant)
	}
	n, err := a.nextEpoch(ctx, owner)
	if err != nil {
		return "", "", err
	}
	return a.make(ctx, g, origin{owner: owner, epoch: n})
}

// nextEpoch returns an epoch for an owner that no token was made with.
func (a *Service) nextEpoch(ctx context.Context, owner string) (n uint64, err error) {
	// If the owner's record was lost, the tokens say how far it had come.
	var highest uint64
	a.tokens.each(func(_ string, k *known) {
		if k.Owner == owner {
			highest = max(highest, k.Epoch)
		}
	})
	err = a.epochs.update(ctx, owner, func(e epoch) (epoch, bool, error) {
		n = max(e.Issued, highest) + 1
		return epoch{Format: epochFormat, Current: e.Current, Issued: n}, true, nil
	})
	return n, err
}

// EndAll ends all tokens of a title's author or of a contributor, and all that were made with them, in one step. Tokens
// that an administrator or editor made stay good. It is for names that pass from one owner to another. If the owner has
// no tokens that the Service knows of, and never had an epoch, it writes nothing.
//
// The error is [ErrGrant] if g is not for one title or contributor, [ErrUnavailable] or that of ctx.
func (a *Service) EndAll(ctx context.Context, g Grant) error {
	owner := ownerOf(g)
	if owner == "" {
		return fmt.Errorf("%w: only the tokens of one title or contributor are ended together", ErrGrant)
	}
	if e, err := a.epochNow(ctx, owner); err != nil {
		return err
	} else if e == (epoch{}) && !a.hasTokens(owner) {
		return nil
	}
	n, err := a.nextEpoch(ctx, owner)
	if err != nil {
		return err
	}
	return a.raise(ctx, owner, n)
}

// epochNow reads an owner's epoch from the store: another server may have raised it. It is zero if there is none. The
// error is [ErrUnavailable] or that of ctx.
func (a *Service) epochNow(ctx context.Context, owner string) (epoch, error) {
	if err := a.epochs.learn(ctx, owner); err != nil {
		return epoch{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e, _ := a.epochs.get(owner)
	return e, nil
}

// hasTokens reports whether there are records of tokens of an owner, live or not.
func (a *Service) hasTokens(owner string) bool {
	found := false
	a.tokens.each(func(_ string, k *known) {
		found = found || k.Owner == owner || k.Format == format1 && ownerOf(k.grant()) == owner
	})
	return found
}

// raise brings an owner's epoch to that of a token which is used for the first time. The error is [ErrUnauthorized] if
// a later token was used before, [ErrUnavailable] or that of ctx.
func (a *Service) raise(ctx context.Context, owner string, to uint64) error {
	return a.epochs.update(ctx, owner, func(e epoch) (epoch, bool, error) {
		if to < e.Current {
			return e, false, ErrUnauthorized
		}
		return epoch{Format: epochFormat, Current: to, Issued: max(e.Issued, to)}, to > e.Current, nil
	})
}

// takeOver makes of a token of format 1 that takes the place of others one that [Service.Recover] would have made, and
// ends those others, but for those that an administrator made. They go before the token forgets them: a server that
// stops in between does it again.
func (a *Service) takeOver(ctx context.Context, id, owner string, replaces []string) error {
	for _, old := range replaces {
		if k, _ := a.tokens.get(old); k != nil && a.judge(a.now()).standing(k, 0).owner == "" {
			continue
		}
		if err := a.end(ctx, old); err != nil {
			return fmt.Errorf("auth: end the tokens that %s takes the place of: %w", id, err)
		}
	}
	var n uint64
	if owner != "" {
		var err error
		if n, err = a.nextEpoch(ctx, owner); err != nil {
			return err
		}
	}
	return a.change(ctx, id, func(k *known) bool {
		if len(k.Replaces) == 0 {
			return false // another call has done it
		}
		k.Format, k.Replaces, k.Owner, k.Epoch = format2, nil, owner, n
		return true
	})
}
