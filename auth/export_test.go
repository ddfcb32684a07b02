package auth

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Limits that tests reach.
const (
	MaxMade        = maxMade
	MaxMadePerHour = maxMadePerHour
	MaxChain       = maxChain
)

// TableSizes returns the number of tokens that are looked at to list those related to a principal, to count those made
// with its token, and to check its rate.
func (a *Service) TableSizes(p Principal, uids []string) (related, made, counted int) {
	e, _ := a.tokens.get(p.TokenID)
	key := a.limitKey(p.TokenID, e, a.evaluator(a.now()).status(e, 0))
	return len(a.related(p, uids)), len(a.madeWith(p.TokenID)), len(a.countedFor(key))
}

// CheckTags compares what is found by tags with what looking at all tokens finds.
func (a *Service) CheckTags() error {
	all, v := a.tokens.all(), a.evaluatorOfAll()
	want := map[tag][]string{}
	for id, r := range all {
		for _, one := range tagsOf(r.value) {
			want[one] = append(want[one], id)
		}
	}
	got := maps.Clone(a.tokens.byTag)
	for _, m := range []map[tag][]string{want, got} {
		for one, ids := range m {
			ids = slices.Clone(ids)
			slices.Sort(ids)
			m[one] = ids
		}
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the tags are %v, want %v", got, want)
	}
	for id := range all {
		e, made := all[id].value, a.madeWith(id)
		key := a.limitKey(id, e, v.status(e, 0))
		counted := a.countedFor(key)
		for other, r := range all {
			st := v.status(r.value, 0)
			if _, ok := made[other]; !ok && st.madeWith(r.value, id) {
				return fmt.Errorf("%v was made with %v and is not found", r.value, e)
			}
			if _, ok := counted[other]; !ok && key != "" && a.limitKey(other, r.value, st) == key {
				return fmt.Errorf("%v has the key %s and is not counted", r.value, key)
			}
		}
	}
	return nil
}
