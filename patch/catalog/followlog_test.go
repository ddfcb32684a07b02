package catalog

import "testing"

// TestFollowLogIsBounded checks that a caller learns that changes are no longer known.
func TestFollowLogIsBounded(t *testing.T) {
	var l followLog
	e := newEntry(Title{UID: "u", Follows: "https://example.com/"}, "a", "1")
	for n := range uint64(3 * maxFollowChanges) {
		l.add(n+1, nil, e)
	}
	if len(l.changes) != maxFollowChanges {
		t.Errorf("%d changes are known, want %d", len(l.changes), maxFollowChanges)
	}
	for since, want := range map[uint64]int{
		0:                      -1,
		2*maxFollowChanges - 1: -1,
		2 * maxFollowChanges:   maxFollowChanges,
		3*maxFollowChanges - 1: 1,
		3 * maxFollowChanges:   0,
	} {
		changes, ok := l.since(since)
		if ok != (want >= 0) || ok && len(changes) != want {
			t.Errorf("since(%d) returns %d changes, %v; want %d", since, len(changes), ok, want)
		}
	}
	l.add(4*maxFollowChanges, e, e)
	if changes, _ := l.since(3 * maxFollowChanges); len(changes) != 0 {
		t.Errorf("a title that follows the same source is a change: %v", changes)
	}
}
