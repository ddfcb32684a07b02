package auth

import (
	"context"
	"slices"
	"time"
)

// A judge tells which tokens are live at one moment. It remembers nothing but what is in made, so it is cheap to make.
type judge struct {
	a   *Service
	now time.Time
	// made has, by the id of a maker, the standing of what was made with it in format 1: whoever looks at all tokens
	// walks up each chain once. If nil, nothing is kept.
	made map[string]standing
}

// A standing is what a token's makers and its owner make of it.
type standing struct {
	// ended is set if a maker has ended, or an epoch of the owner ended the token. at is when; the zero time: long ago.
	ended bool
	at    time.Time
	owner string // empty: none
	epoch uint64
	early bool  // the owner's epoch has not reached that of the token
	up    *link // the makers of a token of format 1, the nearest first
}

// A link is a maker in a chain.
type link struct {
	id string
	up *link
}

// maxDepth bounds the walk up a chain of format 1, which had no bound; a damaged one may even have no end.
const maxDepth = 10_000

// judge returns a judge of one token.
func (a *Service) judge(now time.Time) *judge { return &judge{a: a, now: now} }

// census returns a judge of many tokens, as they are now.
func (a *Service) census() *judge { return &judge{a: a, now: a.now(), made: map[string]standing{}} }

// live reports whether a token is good for anything.
func (j *judge) live(k *known) (standing, bool) {
	s := j.standing(k, 0)
	if s.owner != "" {
		e, _ := j.a.epochs.get(s.owner)
		s.early = s.epoch > e.Current
		if s.epoch < e.Current {
			s.end(k.Created) // some time after that
		}
		if last := k.Created.Add(recoveryLifetime); s.early && j.now.After(last) {
			s.end(last)
		}
	}
	_, ended := k.ended(j.now)
	return s, !ended && !s.ended
}

// standing returns what becomes of a token by its makers.
func (j *judge) standing(k *known, depth int) standing {
	if k.CreatedBy != "" {
		return j.standingBy(k, depth)
	}
	s := standing{owner: k.Owner, epoch: k.Epoch}
	if k.Format == format1 {
		s.owner = ownerOf(k.grant())
	}
	for _, id := range k.Chain {
		m, _ := j.a.tokens.get(id)
		if m == nil {
			s.end(time.Time{})
		} else if at, ended := m.ended(j.now); ended {
			s.end(at)
		}
	}
	return s
}

// standingBy returns what becomes of a token of format 1 by its maker. One whose maker's record is no longer there
// stays good: its maker expired or was replaced.
func (j *judge) standingBy(k *known, depth int) standing {
	if s, ok := j.made[k.CreatedBy]; ok {
		return s
	}
	m, _ := j.a.tokens.get(k.CreatedBy)
	if m == nil {
		return standing{owner: ownerOf(k.grant())}
	}
	if depth == maxDepth {
		return standing{ended: true}
	}
	s := j.standing(m, depth+1)
	if !m.excused() {
		s.up = &link{k.CreatedBy, s.up}
		if at, ended := m.ended(j.now); ended {
			s.end(at)
		}
	}
	if j.made != nil {
		j.made[k.CreatedBy] = s
	}
	return s
}

// end records an end of a maker; the earliest counts.
func (s *standing) end(at time.Time) {
	if !s.ended || at.Before(s.at) {
		s.ended, s.at = true, at
	}
}

// chain returns the ids of the tokens that k was made with, the root first; of one of format 1 with a longer chain than
// format 2 allows, the nearest MaxChain+1.
func (s standing) chain(k *known) []string {
	if k.CreatedBy == "" {
		return k.Chain
	}
	var ids []string
	for l := s.up; l != nil && len(ids) <= MaxChain; l = l.up {
		ids = append(ids, l.id)
	}
	slices.Reverse(ids)
	return ids
}

// madeWith reports whether the token with an id is one of the makers of k.
func (s standing) madeWith(k *known, id string) bool {
	for l := s.up; l != nil; l = l.up {
		if l.id == id {
			return true
		}
	}
	return slices.Contains(k.Chain, id)
}

// Below returns how many live tokens end with a token, because they were made with it, at any depth. The token itself
// does not count.
func (a *Service) Below(id string) int {
	var perhaps []*known
	a.tokens.each(func(_ string, k *known) {
		if k.CreatedBy != "" || slices.Contains(k.Chain, id) {
			perhaps = append(perhaps, k)
		}
	})
	n := 0
	j := a.census()
	for _, k := range perhaps {
		if s, live := j.live(k); live && s.madeWith(k, id) {
			n++
		}
	}
	return n
}

// RevokeUnlessLast revokes a token as [Service.Revoke] does, unless no live administrator's token would be left then. Of
// two that end the last two at once, one succeeds; another server over the same store may end the other.
//
// The error is [ErrLastAdministrator], or one of Revoke.
func (a *Service) RevokeUnlessLast(ctx context.Context, id string) error {
	a.making.Lock()
	defer a.making.Unlock()
	if a.lastAdministrator(id) {
		return ErrLastAdministrator
	}
	return a.Revoke(ctx, id)
}

// lastAdministrator reports whether there would be no live administrator's token left if the token with this id, and
// with it all that were made with it, ended.
func (a *Service) lastAdministrator(id string) bool {
	found := false
	j := a.census()
	for other, k := range a.administrators() {
		s, live := j.live(k)
		switch {
		case !live:
		case other == id:
			found = true
		case !s.madeWith(k, id):
			return false
		}
	}
	return found
}

// hasAdministrator reports whether there is an administrator's token.
func (a *Service) hasAdministrator() bool {
	j := a.census()
	for _, k := range a.administrators() {
		if _, live := j.live(k); live {
			return true
		}
	}
	return false
}

// administrators returns the administrators' tokens by their ids, live or not.
func (a *Service) administrators() map[string]*known {
	found := map[string]*known{}
	a.tokens.each(func(id string, k *known) {
		if k.Kind == Administrator {
			found[id] = k
		}
	})
	return found
}
