package releases

import "github.com/patchsource/patchsource/patch/recipe"

// A Selection is what counts of the releases of a feed.
type Selection struct {
	// Releases are those that count, the newest first by version order, each version once, in the form of the inventory.
	Releases []recipe.Release
	// Dropped are those that do not count.
	Dropped []Dropped
}

// A Dropped release is one that does not count.
type Dropped struct {
	Version string
	// Reason is a sentence.
	Reason string
}

// Newest returns the newest stable release, false if there is none.
func (s *Selection) Newest() (recipe.Release, bool) {
	for _, r := range s.Releases {
		if !r.Prerelease {
			return r, true
		}
	}
	return recipe.Release{}, false
}
