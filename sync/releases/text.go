package releases

import (
	"github.com/patchsource/patchsource/patch/recipe"
)

// textKind reads texts and pages by a regular expression. All matches count, each version once: the newest is that by
// version order, not the first one in the page. The groups build, date and minOS are those of a release, and all groups
// are values for As.
type textKind struct{}

// Request implements [Kind].
func (textKind) Request(f recipe.Feed, _ bool) (Request, error) {
	r, err := feedRequest(f)
	if err = joinInvalid(err, checkMatch(f)); err != nil {
		return Request{}, err
	}
	return r, nil
}

// checkMatch returns a *patch.ValidationError if a feed that needs Match has none, or an invalid one.
func checkMatch(f recipe.Feed) error {
	if f.Match == "" {
		return invalid("/feed/match", "is missing: enter a regular expression that finds the version")
	}
	_, err := compileWord("match", f.Match)
	return err
}

// Read implements [Kind].
func (textKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	if err := checkStatus(a); err != nil {
		return nil, nil, err
	}
	re, err := compileWord("match", f.Match)
	if err != nil {
		return nil, nil, err
	}
	text, err := decodeUTF16(a.Body)
	if err != nil {
		return nil, nil, unreadable("the answer is not a text: %w", err)
	}
	c := newCollector(f)
	err = findMatches(re, text, func(match []string) error {
		r := recipe.Release{
			Date:    parseDate(groupText(re, match, "date")),
			MinOS:   cut(groupText(re, match, "minOS")),
			Rollout: 1,
		}
		return c.addMatch(r, re, match)
	})
	if err != nil {
		return nil, nil, err
	}
	found, err := c.result()
	if err != nil {
		err = unreadable("%w%s", err, beginning(text))
	}
	return found, nil, err
}
