package patch

import (
	"fmt"
	"slices"
)

// patches compares the versions of a title.
func (x *differ) patches(before, after []Patch) {
	version := func(p *Patch) string { return p.Version }
	old, current := indexBy(before, version), indexBy(after, version)
	for i := range before {
		if v := before[i].Version; !has(current, v) {
			x.version = v
			x.add(Removed, fmt.Sprintf("/patches/%d", i), "version %s removed", shorten(v))
		}
	}
	var common []int // the old indices of the patches in after
	for i := range after {
		if j, ok := old[after[i].Version]; ok {
			common = append(common, j)
		}
	}
	stayed := longestIncreasing(common)
	for i := range after {
		p := &after[i]
		j, ok := old[p.Version]
		if ok && stayed[j] && p.shares(&before[j]) {
			continue
		}
		path := fmt.Sprintf("/patches/%d", i)
		x.version = p.Version
		switch {
		case !ok:
			x.add(Added, path, "version %s added %s", shorten(p.Version), placeOf(after, i))
			continue
		case !stayed[j]:
			x.add(Moved, path, "version %s moved %s", shorten(p.Version), placeOf(after, i))
		}
		x.patch(fmt.Sprintf("/patches/%d", j), path, &before[j], p)
	}
	x.version = ""
}

func has(m map[string]int, key string) bool {
	_, ok := m[key]
	return ok
}

// placeOf describes the place of a patch.
func placeOf(patches []Patch, i int) string {
	switch i {
	case 0:
		return "in front"
	case len(patches) - 1:
		return "at the end"
	}
	return "after " + shorten(patches[i-1].Version)
}

// longestIncreasing returns the longest increasing subsequence of different numbers, as a set: the patches at the other
// indices have moved.
func longestIncreasing(numbers []int) map[int]bool {
	var tails []int // tails[n] is the index of the least end of a subsequence of length n+1
	previous := make([]int, len(numbers))
	for i, n := range numbers {
		at, _ := slices.BinarySearchFunc(tails, n, func(t, n int) int { return numbers[t] - n })
		previous[i] = -1
		if at > 0 {
			previous[i] = tails[at-1]
		}
		if at == len(tails) {
			tails = append(tails, i)
		} else {
			tails[at] = i
		}
	}
	keep := map[int]bool{}
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = previous[i] {
			keep[numbers[i]] = true
		}
	}
	return keep
}

// patch compares two patches of the same version.
func (x *differ) patch(pathBefore, path string, before, after *Patch) {
	x.value(path+"/enabled", "enabled", !before.Disabled, !after.Disabled)
	x.value(path+"/releaseDate", "release date", before.ReleaseDate, after.ReleaseDate)
	x.value(path+"/standalone", "standalone", before.Standalone, after.Standalone)
	x.value(path+"/minimumOperatingSystem", "minimum OS", before.MinimumOperatingSystem, after.MinimumOperatingSystem)
	x.value(path+"/reboot", "reboot", before.Reboot, after.Reboot)
	x.list(pathBefore+"/killApps", path+"/killApps", "kill app",
		items(before.KillApps, killAppItem), items(after.KillApps, killAppItem))
	x.components(pathBefore+"/components", path+"/components", before.Components, after.Components)
	x.criteria(pathBefore+"/capabilities", path+"/capabilities", "capability", before.Capabilities, after.Capabilities)
	x.value(path+"/dependencies", "dependencies", before.Dependencies, after.Dependencies)
	x.extra(pathBefore, path, before.Extra, after.Extra)
}

// components compares the components of two patches: member by member if each has one.
func (x *differ) components(pathBefore, path string, before, after []Component) {
	if len(before) != 1 || len(after) != 1 {
		x.list(pathBefore, path, "component", items(before, componentItem), items(after, componentItem))
		return
	}
	b, a := &before[0], &after[0]
	pathBefore, path = pathBefore+"/0", path+"/0"
	x.value(path+"/name", "component name", b.Name, a.Name)
	x.value(path+"/version", "component version", b.Version, a.Version)
	x.criteria(pathBefore+"/criteria", path+"/criteria", "criterion", b.Criteria, a.Criteria)
	x.extra(pathBefore, path, b.Extra, a.Extra)
}
