package httpapi

import (
	"iter"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// titleRecords yields the records of groups, each title after its earlier revisions, as package dump wants them.
func titleRecords(groups iter.Seq2[catalog.Group, error]) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for group, err := range groups {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for _, r := range append(group.Revisions, group.Title) {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}
