package auth

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Info is what may be shown of a token.
type Info struct {
	ID          string
	Kind        Kind
	Name        string   // empty if it has none
	Chain       []string // the ids of the tokens that it was made with, the root first
	Titles      []string // UIDs
	Contributor string
	Created     time.Time
	Expires     time.Time // zero if it never expires
	Used        time.Time // zero if it was never used
	// Recovery reports whether the token was made by [Service.Recover] and was not used yet: it is valid, and will end
	// its owner's other tokens. Those may be in the wrong hands, so their holders must not revoke it.
	Recovery bool
}

// List returns the valid tokens, the newest first.
func (a *Service) List() []Info {
	var all []Info
	v := a.evaluatorOfAll()
	for id, r := range a.tokens.all() {
		if i, valid := v.info(id, r.value); valid {
			all = append(all, i)
		}
	}
	sortNewestFirst(all)
	return all
}

// ListRelated is like [Service.List], but returns only p's own token, the tokens that were made with it, those of p's
// contributor, and those for any of the titles with some UIDs. Its cost does not depend on the number of other tokens.
func (a *Service) ListRelated(p Principal, uids []string) []Info {
	var some []Info
	v := a.evaluatorOfAll()
	for id, e := range a.related(p, uids) {
		if i, valid := v.info(id, e); valid {
			some = append(some, i)
		}
	}
	sortNewestFirst(some)
	return some
}

// related returns the tokens of ListRelated by id, valid or not.
func (a *Service) related(p Principal, uids []string) map[string]*entry {
	tokens := a.madeWith(p.TokenID)
	if e, _ := a.tokens.get(p.TokenID); e != nil {
		tokens[p.TokenID] = e
	}
	if p.Contributor != "" {
		maps.Copy(tokens, a.tokens.tagged(tag{ofContributor, p.Contributor}))
	}
	for _, uid := range uids {
		maps.Copy(tokens, a.tokens.tagged(tag{ofTitle, uid}))
	}
	return tokens
}

func sortNewestFirst(all []Info) {
	slices.SortFunc(all, func(x, y Info) int { return cmp.Or(y.Created.Compare(x.Created), cmp.Compare(x.ID, y.ID)) })
}

// Info returns what may be shown of the token with an id. It reports false if there is no such valid token.
func (a *Service) Info(id string) (Info, bool) {
	e, _ := a.tokens.get(id)
	if e == nil {
		return Info{}, false
	}
	return a.evaluator(a.now()).info(id, e)
}

// Find is like [Service.Info], but also finds a token that another server has just made. After ErrNotFound for a token
// that was revoked, the revocation is effective on all servers, as after [Service.Revoke]. The error is [ErrNotFound],
// [ErrUnavailable] or that of ctx.
func (a *Service) Find(ctx context.Context, id string) (Info, error) {
	if _, err := a.find(ctx, id); err != nil {
		return Info{}, err
	}
	i, ok := a.Info(id)
	if !ok {
		return Info{}, a.notFound(ctx, id)
	}
	return i, nil
}

// info returns what may be shown of a token and reports whether it is valid.
func (v *evaluator) info(id string, e *entry) (Info, bool) {
	st, valid := v.evaluate(e)
	if !valid {
		return Info{}, false
	}
	i := Info{
		ID:          id,
		Kind:        e.Kind,
		Name:        e.Name,
		Chain:       slices.Clone(st.chain(e)),
		Titles:      slices.Clone(e.Titles),
		Contributor: e.Contributor,
		Created:     e.Created,
		Expires:     e.Expires,
		Recovery:    st.pending,
	}
	if used := e.used.Load(); used != 0 {
		i.Used = time.Unix(used, 0).UTC()
	}
	return i, true
}

// Flush writes when tokens were last used, which Authenticate only remembers. Callers call it now and then, and before
// they exit. The error is [ErrUnavailable] or that of ctx.
func (a *Service) Flush(ctx context.Context) error {
	var errs []error
	for id, r := range a.tokens.all() {
		e := r.value
		if used := e.used.Load(); used == 0 || !e.Used.IsZero() && used <= e.Used.Unix() {
			continue
		}
		if !e.Revoked.IsZero() || e.unreadable {
			continue
		}
		err := a.change(ctx, id, func(e *entry) bool {
			e.Used = time.Unix(e.used.Load(), 0).UTC()
			return e.Revoked.IsZero()
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Purge deletes the records of tokens that ended before a time, whether they expired, were revoked, or were ended by a
// maker or by an owner's epoch. The records of revoked administrators' tokens remain, because an operator's file may
// still contain one; see [Service.Adopt]. The error is [ErrUnavailable] or that of ctx.
func (a *Service) Purge(ctx context.Context, before time.Time) error {
	v := a.evaluatorOfAll()
	tokens := a.tokens.all()
	// A token of format 1 is valid if its maker has no record. The token is therefore deleted before its maker.
	needed := map[string]bool{}
	for _, r := range tokens {
		needed[r.value.CreatedBy] = true
	}
	for id, r := range tokens {
		e := r.value
		if needed[id] || !v.purgeable(e, before) {
			continue
		}
		if err := a.tokens.remove(ctx, id, r.rev); err != nil {
			return err
		}
	}
	return nil
}

// purgeable reports whether a token ended before a time, and its record has no further use.
func (v *evaluator) purgeable(e *entry, before time.Time) bool {
	if !e.Expires.IsZero() && e.Expires.Before(before) {
		return true
	}
	if e.Kind == Administrator || !e.Created.Before(before) {
		return false // a token that was made later may lack a maker that another server has made, and has not ended
	}
	st, _ := v.evaluate(e)
	return !e.Revoked.IsZero() && e.Revoked.Before(before) || st.ended && st.at.Before(before)
}

// Follow keeps the Service up to date with tokens that other servers over the same store make and revoke. It returns
// when ctx ends, or at once if the store is no store.Watcher. It retries and logs failures of the store.
//
// It logs a record that it cannot read, such as one that is corrupt or that a newer version wrote, and continues with
// the others. What the record says may be a revocation, so its token, or the tokens of the owner whose epoch it is, are
// not valid until it can be read.
func (a *Service) Follow(ctx context.Context) {
	report := func(err error) { a.log.ErrorContext(ctx, "cannot follow the tokens of other servers", "error", err) }
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { a.epochs.follow(ctx, a.freshUpTo(&a.epochs.fresh), report) })
	a.tokens.follow(ctx, a.freshUpTo(&a.tokens.fresh), report)
}
