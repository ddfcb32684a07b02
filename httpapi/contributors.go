package httpapi

import (
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// contributorFeeds are the contributors' own feeds.
type contributorFeeds struct{ *titleService }

// ContributorID implements feed.Contributors.
func (f contributorFeeds) ContributorID(name string) (id string, ok bool) {
	return f.community.ContributorID(name)
}

// An extendedSummary is a title in an extended list.
type extendedSummary struct {
	patch.Summary
	// Result says whether the last sync succeeded, and is null for a title that follows nothing or was not synced yet.
	Result *bool      `json:"last_sync_result"`
	Time   *time.Time `json:"last_sync_time"`
}

// ExtendedList implements feed.Contributors. It lists a contributor's titles with their sync states, as
// CommunityPatch's beta 2 did.
func (f contributorFeeds) ExtendedList(id string) ([]byte, error) {
	list := []extendedSummary{}
	for title := range f.catalog.Find(catalog.Filter{Contributor: id}) {
		one := extendedSummary{Summary: title.Summary}
		one.ID, one.Name = title.Plain()
		if s := f.syncState(title, false); s != nil && s.LastAttempt != nil {
			ok := s.LastError == nil
			one.Result, one.Time = &ok, s.LastAttempt
		}
		list = append(list, one)
	}
	return answer.Encode(list)
}
