package s3store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// firstCheckPause is the time until a kind is listed again after the first list has failed.
	firstCheckPause = time.Second
	// nextCheckPause is that time for later lists.
	nextCheckPause = time.Minute
)

// checkLocked lists the records of a kind. The first list tells which records there are, and later ones find changes
// that were not announced, because a server ended between a change and its announcement. The caller must hold s.mu.
func (s *Store) checkLocked(kind string, f *feed) {
	if s.opts.CheckInterval < 0 {
		f.known = map[string]store.Revision{}
		f.check = time.Now().Add(24 * time.Hour)
		return
	}
	f.checking = true
	s.work.Go(func() {
		revisions, err := s.revisions(s.closing, kind)
		s.mu.Lock()
		defer s.mu.Unlock()
		f.checking = false
		switch {
		case err != nil && f.known == nil:
			f.interruptLocked(err)
			f.check = time.Now().Add(firstCheckPause)
			return
		case err != nil:
			f.interruptLocked(err)
			f.check = time.Now().Add(nextCheckPause)
			return
		case f.known == nil:
			signal(s.awake)
		default:
			f.compareLocked(kind, revisions)
		}
		f.known = revisions
		f.check = time.Now().Add(s.opts.CheckInterval)
	})
}

// revisions returns the revisions of the records of a kind.
func (s *Store) revisions(ctx context.Context, kind string) (map[string]store.Revision, error) {
	revisions := map[string]store.Revision{}
	for c, err := range s.Revisions(ctx, kind) {
		if err != nil {
			return nil, err
		}
		revisions[c.Key.ID] = c.Revision
	}
	return revisions, nil
}

// compareLocked passes the differences between the known records of a kind and the listed ones on to the watchers. A
// change that was announced while the records were listed may be among them. The caller must hold s.mu.
func (f *feed) compareLocked(kind string, listed map[string]store.Revision) {
	ids := maps.Clone(listed)
	maps.Copy(ids, f.known)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if listed[id] == f.known[id] { // an absent record has the revision ""
			continue
		}
		for w := range f.watchers {
			w.add(store.Change{Key: store.Key{Kind: kind, ID: id}, Revision: listed[id]})
		}
	}
}
