package patchsync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// maxUnreadTries is how often a new item that cannot be read keeps the titles that have vanished from being deleted:
// one of them may have moved there.
const maxUnreadTries = 3

// removeVanished removes, or only marks, what the source no longer lists. Of a mirror it deletes the titles, as the
// catalog knows them, that no listed item has become. protest says why nothing was deleted. The error is that of the
// catalog or of ctx.
func (rd *round) removeVanished(ctx context.Context) (protest string, err error) {
	m := rd.job.mirror
	deletes := m != nil && m.Remove
	rd.markVanished(m == nil || m.Remove)
	if !deletes {
		return "", nil
	}
	vanished, known := rd.vanishedTitles()
	if len(vanished) == 0 {
		return "", nil
	}
	if id := rd.unreadSuccessor(); id != "" {
		return fmt.Sprintf("%d of the %d titles of the source have vanished, and %s, which is new, cannot be read yet "+
			"and may be one of them: none was deleted", len(vanished), known, redactID(id)), nil
	}
	if len(vanished) > m.mayRemove(known, len(rd.listed) == 0) {
		return fmt.Sprintf("the source no longer lists %d of its %d titles, which is too many at once: "+
			"none was deleted", len(vanished), known), nil
	}
	for _, t := range vanished {
		err := rd.catalog.Delete(ctx, t.ID, &catalog.EditOptions{UID: t.UID, From: m.Name})
		switch {
		case err == nil:
			rd.outcome.changed++
		case errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrNotSynced): // it is gone already
		default:
			return "", err
		}
	}
	return "", nil
}

// markVanished marks items that the source no longer lists as gone, or forgets them.
func (rd *round) markVanished(forget bool) {
	for id, it := range rd.state.Items {
		switch {
		case rd.listed[id]:
		case forget || it.Title == "":
			delete(rd.state.Items, id)
		default:
			it.Gone = true
			it.Error, it.Refused, it.Tries, it.Again = "", "", 0, time.Time{}
			rd.state.Items[id] = it
		}
	}
}

// vanishedTitles returns the titles of the mirror that no listed item has become, and the number of all its titles.
func (rd *round) vanishedTitles() (vanished []catalog.Title, known int) {
	for t := range rd.catalog.Find(catalog.Filter{Source: rd.job.mirror.Name}) {
		known++
		if rd.claimed[strings.ToLower(t.ID)] == "" {
			vanished = append(vanished, t)
		}
	}
	return vanished, known
}

// unreadSuccessor returns the id of an item that may be one of the titles that have vanished, under a new id: it
// appeared when they vanished, and could not be read yet. It gives up on an item after a few tries.
func (rd *round) unreadSuccessor() string {
	for id := range rd.listed {
		it := rd.state.Items[id]
		if it.Title != "" || !it.Unread {
			continue
		}
		if !rd.known[id] {
			it.Moved = true
			rd.state.Items[id] = it
		}
		if it.Moved && it.Tries <= maxUnreadTries {
			return id
		}
	}
	return ""
}
