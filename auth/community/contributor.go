package community

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch/catalog"
)

// A Contributor is what is public about a contributor.
type Contributor struct {
	// ID is the name in lower case. It is part of the path of the contributor's feed.
	ID string
	// Name is the name as it was registered.
	Name string
	// Titles is the number of the contributor's titles.
	Titles int
}

// Contributor returns the contributor with an id, in any case, if there is one that has confirmed an address. If memory
// has none and other servers may use the store, it waits up to three seconds for the store.
func (s *Service) Contributor(id string) (Contributor, bool) {
	id = strings.ToLower(id)
	r, ok := s.confirmed(context.Background(), id)
	if !ok {
		return Contributor{}, false
	}
	return Contributor{ID: id, Name: r.Name, Titles: s.catalog.Count(catalog.Filter{Contributor: id})}, true
}

// ContributorID returns the id of the contributor that Contributor returns. It costs less, as it counts no titles.
func (s *Service) ContributorID(name string) (id string, ok bool) {
	id = strings.ToLower(name)
	_, ok = s.confirmed(context.Background(), id)
	return id, ok
}

// Contributors returns all contributors that have confirmed an address, those with the most titles first.
func (s *Service) Contributors() []Contributor {
	titles := maps.Collect(s.catalog.ContributorTitles())
	s.mu.Lock()
	all := []Contributor{}
	for id, r := range s.registrations {
		if r.confirmed() {
			all = append(all, Contributor{ID: id, Name: r.Name, Titles: titles[id]})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Contributor) int {
		return cmp.Or(cmp.Compare(b.Titles, a.Titles), cmp.Compare(a.ID, b.ID))
	})
	return all
}
