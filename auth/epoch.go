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

const epochFormat = 1

// An epoch is the record of an owner's epoch. The owner's tokens with an epoch before Current have ended.
type epoch struct {
	Format  int    `json:"format"`
	Current uint64 `json:"current"`
	// Issued is the latest epoch that a token was made with.
	Issued uint64 `json:"issued"`

	// unreadable reports that the record can no longer be read: a later epoch may have ended any of the owner's tokens.
	unreadable bool
}

// decodeEpoch reads a record.
func decodeEpoch(r store.Record, _ epoch) (e epoch, err error) {
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return e, err
	}
	if e.Format != epochFormat {
		return e, store.NewerFormat(r.Key, e.Format, epochFormat)
	}
	return e, nil
}

// unreadableEpoch returns the epoch in place of a record that cannot be read.
func unreadableEpoch(old epoch) (e epoch, needed bool) {
	old.unreadable = true
	return old, true
}

// ownerOf returns the owner of a token that is made for a title's author or a contributor, and an empty string for
// other tokens.
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

// recoveryLifetime is how long a recovered token can be used for the first time. Mailboxes are read by others one day.
const recoveryLifetime = 7 * 24 * time.Hour

// Recover makes a token for the author of a title, or for a contributor, that replaces a lost one. The owner's other
// tokens, and all that were made with them, end when it is first used, in one write, including those made in the
// meantime. Tokens that an administrator or editor made remain valid. A recovered token that is not used within a week
// expires.
//
// The error is [ErrGrant], also for a grant that is not for one title or contributor, [ErrUnavailable] or that of ctx.
func (a *Service) Recover(ctx context.Context, g Grant) (token, id string, err error) {
	if err := a.checkGrant(g); err != nil {
		return "", "", err
	}
	owner := ownerOf(g)
	if owner == "" {
		return "", "", fmt.Errorf("%w: only a token for one title or contributor can be recovered", ErrGrant)
	}
	n, err := a.nextEpoch(ctx, owner)
	if err != nil {
		return "", "", err
	}
	return a.make(ctx, g, origin{owner: owner, epoch: n})
}

// RevokeOwned revokes all tokens of a title's author or of a contributor, and all that were made with them, in one
// write. Tokens that an administrator or editor made remain valid. It is for names that pass from one owner to another.
// If the owner has no tokens and never had an epoch, it writes nothing.
//
// The error is [ErrGrant] if g is not for one title or contributor, [ErrUnavailable] or that of ctx.
func (a *Service) RevokeOwned(ctx context.Context, g Grant) error {
	owner := ownerOf(g)
	if owner == "" {
		return fmt.Errorf("%w: only the tokens of one title or contributor can be revoked together", ErrGrant)
	}
	e, err := a.storedEpoch(ctx, owner)
	if err != nil {
		return err
	}
	if e == (epoch{}) && !a.hasTokens(owner) {
		if err := a.catchUp(ctx); err != nil {
			return err
		}
		if !a.hasTokens(owner) {
			return nil
		}
	}
	n, err := a.nextEpoch(ctx, owner)
	if err != nil {
		return err
	}
	return a.raiseEpoch(ctx, owner, n)
}

// nextEpoch returns an epoch of an owner that no token was made with.
func (a *Service) nextEpoch(ctx context.Context, owner string) (n uint64, err error) {
	// If the owner's record was lost, its tokens have the latest epoch.
	var latest uint64
	for _, e := range a.tokens.tagged(tag{ofOwner, owner}) {
		latest = max(latest, e.Epoch)
	}
	err = a.epochs.update(ctx, owner, func(e epoch) (epoch, bool, error) {
		n = max(e.Issued, latest) + 1
		return epoch{Format: epochFormat, Current: e.Current, Issued: n}, true, nil
	})
	return n, err
}

// storedEpoch reads an owner's epoch from the store, because another server may have raised it. The epoch is zero if
// there is none. The error is [ErrUnavailable] or that of ctx.
func (a *Service) storedEpoch(ctx context.Context, owner string) (epoch, error) {
	if err := a.epochs.reload(ctx, owner); err != nil {
		return epoch{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e, _ := a.epochs.get(owner)
	return e, nil
}

// hasTokens reports whether there are records of tokens of an owner, valid or not.
func (a *Service) hasTokens(owner string) bool { return a.tokens.hasTag(tag{ofOwner, owner}) }

// raiseEpoch raises an owner's epoch to that of a token that is used for the first time. If the epoch is already raised
// and other servers use the store, it writes the record again, so that they learn of it if the server that raised it
// could not announce it. The error is [ErrUnauthorized] if a later token was used before, [ErrUnavailable] or that of
// ctx.
func (a *Service) raiseEpoch(ctx context.Context, owner string, to uint64) error {
	return a.epochs.update(ctx, owner, func(e epoch) (epoch, bool, error) {
		if to < e.Current {
			return e, false, ErrUnauthorized
		}
		return epoch{Format: epochFormat, Current: to, Issued: max(e.Issued, to)}, to > e.Current || a.shared, nil
	})
}

// beginEpoch raises the epoch of the owner of a token that is used for the first time, as far as this server knows. Of
// several calls at once, one writes. The error is that of raiseEpoch.
func (a *Service) beginEpoch(ctx context.Context, e *entry, st status) error {
	release, err := a.raising.take(ctx, st.owner)
	if err != nil {
		return err
	}
	defer release()
	current, _ := a.epochs.get(st.owner)
	if st.epoch == current.Current && (!a.shared || e.used.Load() != 0) {
		return nil // another call has done it
	}
	if err := a.raiseEpoch(ctx, st.owner, st.epoch); err != nil {
		return err
	}
	e.used.Store(a.now().Unix())
	return nil
}

// takeOver converts a token of format 1 that replaces others to one that [Service.Recover] would have made. It first
// revokes the others, except those that an administrator made, and then removes them from the token's record, so that a
// server that stops in between does it again.
func (a *Service) takeOver(ctx context.Context, id, owner string, replaces []string) error {
	if err := a.catchUp(ctx); err != nil {
		return err
	}
	for _, old := range replaces {
		if e, _ := a.tokens.get(old); e != nil && a.evaluator(a.now()).status(e, 0).owner == "" {
			continue
		}
		if err := a.revokeReplaced(ctx, old); err != nil {
			return fmt.Errorf("auth: revoke the tokens that %s replaces: %w", id, err)
		}
	}
	var n uint64
	if owner != "" {
		var err error
		if n, err = a.nextEpoch(ctx, owner); err != nil {
			return err
		}
	}
	return a.change(ctx, id, func(e *entry) bool {
		if len(e.Replaces) == 0 {
			return false // another call has done it
		}
		e.Format, e.Replaces, e.Owner, e.Epoch = format2, nil, owner, n
		return true
	})
}
