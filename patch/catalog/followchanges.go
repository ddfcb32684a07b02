package catalog

// A FollowChange is a title that has begun or ceased to follow a source: because it was created or deleted, here or on
// another server.
type FollowChange struct {
	Title   Title
	Follows bool // whether it follows the source now
}

// FollowChanges returns, in order, the changes since the catalog had a generation, and the generation that it has
// after them; see [Catalog.Generation]. It costs as much as there are changes. It returns false if some of them are no
// longer known: the caller must then look at all titles that follow a source, with [Catalog.Find], and continue from
// a generation that the catalog had before that.
func (c *Catalog) FollowChanges(since uint64) (changes []FollowChange, generation uint64, ok bool) {
	x := &c.titles.index
	x.mu.Lock()
	defer x.mu.Unlock()
	changes, ok = x.follows.since(since)
	return changes, x.get().number, ok
}

// maxFollowChanges is the number of changes that are known.
const maxFollowChanges = 4096

// A followLog has the last changes of which titles follow a source.
type followLog struct {
	changes []numberedChange
	from    uint64 // the generation since which all changes are known
}

// A numberedChange is a change with the number of the index that it led to.
type numberedChange struct {
	number uint64
	entry  *entry
	follow bool
}

// add adds the change from an entry to another one, either of which may be nil, if there is one.
func (l *followLog) add(number uint64, old, e *entry) {
	was, is := old != nil && old.Follows != "", e != nil && e.Follows != ""
	if was && is && sameOrigin(old, e) {
		return
	}
	if was {
		l.changes = append(l.changes, numberedChange{number, old, false})
	}
	if is {
		l.changes = append(l.changes, numberedChange{number, e, true})
	}
	if n := len(l.changes) - maxFollowChanges; n > 0 {
		l.from = l.changes[n-1].number
		clear(l.changes[:n]) // the memory of entries that are no longer known
		l.changes = l.changes[n:]
	}
}

// sameOrigin reports whether two entries are those of one title that follows the same source, or none.
func sameOrigin(a, b *entry) bool {
	return a.UID == b.UID && a.Follows == b.Follows && a.Source == b.Source
}

// since returns the changes after an index; see Catalog.FollowChanges.
func (l *followLog) since(number uint64) (changes []FollowChange, ok bool) {
	if number < l.from {
		return nil, false
	}
	first := len(l.changes)
	for first > 0 && l.changes[first-1].number > number {
		first--
	}
	for _, c := range l.changes[first:] {
		changes = append(changes, FollowChange{c.entry.Title, c.follow})
	}
	return changes, true
}
