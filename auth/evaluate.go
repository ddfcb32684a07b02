package auth

import (
	"context"
	"slices"
	"time"
)

const (
	// maxChain is the maximum number of tokens that made each other.
	maxChain = 16
	// maxDepth bounds the walk up a chain of format 1, which had no limit and which may be circular if it is corrupt.
	maxDepth = 10_000
)

// An evaluator tells which tokens are valid at one moment.
type evaluator struct {
	a   *Service
	now time.Time
	// byMaker has, by the id of a maker, the status of the tokens of format 1 that were made with it, so that each
	// chain is walked up only once. If nil, nothing is cached.
	byMaker map[string]status
}

// A status is the effect that the makers and the owner of a token have on it.
type status struct {
	// ended is set if a maker has ended, or if an epoch of the owner has ended the token. at is when; it is zero if
	// that is not known.
	ended bool
	at    time.Time
	owner string // empty if there is none
	epoch uint64
	// pending is set if the token was made by Recover and has not been used: its epoch is later than the owner's.
	pending bool
	makers  *link // of a token of format 1, the nearest first
}

// A link is a maker in a chain.
type link struct {
	id   string
	next *link
}

// evaluator returns an evaluator for one token.
func (a *Service) evaluator(now time.Time) *evaluator { return &evaluator{a: a, now: now} }

// evaluatorOfAll returns an evaluator for many tokens, as of now.
func (a *Service) evaluatorOfAll() *evaluator {
	return &evaluator{a: a, now: a.now(), byMaker: map[string]status{}}
}

// evaluate returns the status of a token and reports whether the token is valid.
func (v *evaluator) evaluate(e *entry) (st status, valid bool) {
	st = v.status(e, 0)
	if st.owner != "" {
		current, _ := v.a.epochs.get(st.owner)
		st.pending = st.epoch > current.Current
		switch {
		case current.unreadable:
			st.end(v.now)
		case st.epoch < current.Current:
			st.end(e.Created) // or later
		}
		if last := e.Created.Add(recoveryLifetime); st.pending && v.now.After(last) {
			st.end(last)
		}
	}
	_, ended := e.ended(v.now)
	return st, !ended && !st.ended
}

// status returns the status of a token without regard to the epoch of its owner. depth is the number of makers that
// were already walked up.
func (v *evaluator) status(e *entry, depth int) status {
	if e.CreatedBy != "" {
		return v.statusByMaker(e, depth)
	}
	st := status{owner: e.Owner, epoch: e.Epoch}
	if e.Format == format1 {
		st.owner = ownerOf(e.grant())
	}
	for _, id := range e.Chain {
		m, _ := v.a.tokens.get(id)
		if m == nil {
			st.end(time.Time{})
		} else if at, ended := m.ended(v.now); ended {
			st.end(at)
		}
	}
	return st
}

// statusByMaker returns the status of a token of format 1, which names only its maker. If the maker's record is gone,
// the token remains valid: the maker has expired or was replaced.
func (v *evaluator) statusByMaker(e *entry, depth int) status {
	if st, ok := v.byMaker[e.CreatedBy]; ok {
		return st
	}
	m, _ := v.a.tokens.get(e.CreatedBy)
	if m == nil {
		return status{owner: ownerOf(e.grant())}
	}
	if depth == maxDepth {
		return status{ended: true}
	}
	st := v.status(m, depth+1)
	if !m.endsAlone() {
		st.makers = &link{e.CreatedBy, st.makers}
		if at, ended := m.ended(v.now); ended {
			st.end(at)
		}
	}
	if v.byMaker != nil {
		v.byMaker[e.CreatedBy] = st
	}
	return st
}

// end records that a maker or an epoch has ended the token. The earliest end counts.
func (st *status) end(at time.Time) {
	if !st.ended || at.Before(st.at) {
		st.ended, st.at = true, at
	}
}

// chain returns the ids of the tokens that e was made with, the root first. If a token of format 1 has a longer chain
// than format 2 allows, it returns the nearest maxChain+1.
func (st status) chain(e *entry) []string {
	if e.CreatedBy == "" {
		return e.Chain
	}
	var ids []string
	for l := st.makers; l != nil && len(ids) <= maxChain; l = l.next {
		ids = append(ids, l.id)
	}
	slices.Reverse(ids)
	return ids
}

// madeWith reports whether the token with an id is one of the makers of e.
func (st status) madeWith(e *entry, id string) bool {
	for l := st.makers; l != nil; l = l.next {
		if l.id == id {
			return true
		}
	}
	return slices.Contains(e.Chain, id)
}

// Descendants returns the number of valid tokens that were made with a token, at any depth, and that end with it. If
// other servers use the store, it reads all tokens. The error is [ErrUnavailable] or that of ctx.
func (a *Service) Descendants(ctx context.Context, id string) (int, error) {
	if err := a.catchUp(ctx); err != nil {
		return 0, err
	}
	return a.descendants(id), nil
}

// descendants returns the number of the descendants of a token that memory has.
func (a *Service) descendants(id string) int {
	n := 0
	v := a.evaluatorOfAll()
	for _, e := range a.madeWith(id) {
		if st, valid := v.evaluate(e); valid && st.madeWith(e, id) {
			n++
		}
	}
	return n
}

// lastAdministrator reports whether no valid administrator's token would remain if the token with an id ended, and with
// it all that were made with it.
func (a *Service) lastAdministrator(id string) bool {
	found := false
	v := a.evaluatorOfAll()
	for other, e := range a.administrators() {
		st, valid := v.evaluate(e)
		switch {
		case !valid:
		case other == id:
			found = true
		case !st.madeWith(e, id):
			return false
		}
	}
	return found
}

// hasAdministrator reports whether there is a valid administrator's token.
func (a *Service) hasAdministrator() bool {
	v := a.evaluatorOfAll()
	for _, e := range a.administrators() {
		if _, valid := v.evaluate(e); valid {
			return true
		}
	}
	return false
}

// administrators returns the administrators' tokens by id, valid or not.
func (a *Service) administrators() map[string]*entry {
	return a.tokens.tagged(tag{ofKind, string(Administrator)})
}
