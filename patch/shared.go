package patch

// shares reports whether two patches have the same values because their lists are the same in memory, as after a plain
// copy. It may be false for patches that are equal.
func (p *Patch) shares(q *Patch) bool {
	return p.Version == q.Version && p.Disabled == q.Disabled && p.ReleaseDate == q.ReleaseDate &&
		p.Standalone == q.Standalone &&
		p.MinimumOperatingSystem == q.MinimumOperatingSystem && p.Reboot == q.Reboot &&
		sameList(p.KillApps, q.KillApps) && sameList(p.Components, q.Components) &&
		sameList(p.Capabilities, q.Capabilities) && sameList(p.Dependencies, q.Dependencies) &&
		sameList(p.Extra, q.Extra)
}

// sameList reports whether two lists are the same in memory, or both empty. A list that is nil differs from one that is
// empty, because Dependencies do.
func sameList[T any](a, b []T) bool {
	return len(a) == len(b) && (a == nil) == (b == nil) && (len(a) == 0 || &a[0] == &b[0])
}

// sharedPatches reports which patches a definition shares with an earlier one, of which it has most in the same order.
func sharedPatches(patches, old []Patch) []bool {
	shared := make([]bool, len(patches))
	next := 0 // in old
	for i := range patches {
		for skipped := 0; skipped < 2 && next+skipped < len(old); skipped++ { // one may have been removed
			if patches[i].shares(&old[next+skipped]) {
				shared[i] = true
				next += skipped + 1
				break
			}
		}
	}
	return shared
}
