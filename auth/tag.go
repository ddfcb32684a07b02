package auth

import "slices"

// A tag is a property by which tokens are found without looking at all of them.
type tag struct {
	property property
	value    string
}

// A property is the meaning of a tag's value.
type property int

const (
	ofKind        property = iota
	ofTitle                // the UID of one of the token's titles
	ofContributor          // its contributor
	ofOwner                // its owner; a token of format 1 may instead belong to the owner of its maker
	ofMaker                // the id of one of the tokens that it was made with; in format 1, only the last one
	ofFirst                // see record.First
)

// tagsOf returns the tags of a token, each once, except for properties that are empty.
func tagsOf(e *entry) []tag {
	owner := e.Owner
	if e.Format == format1 {
		owner = ownerOf(e.grant())
	}
	tags := make([]tag, 0, 5+len(e.Titles)+len(e.Chain))
	add := func(p property, value string) {
		if value != "" {
			tags = append(tags, tag{p, value})
		}
	}
	add(ofKind, string(e.Kind))
	add(ofContributor, e.Contributor)
	add(ofOwner, owner)
	add(ofMaker, e.CreatedBy)
	add(ofFirst, e.First)
	for _, id := range e.Chain {
		add(ofMaker, id)
	}
	titles := slices.Clone(e.Titles)
	slices.Sort(titles)
	for _, uid := range slices.Compact(titles) {
		add(ofTitle, uid)
	}
	return tags
}

// addMade adds to some tokens all that were made with one of them, at any depth and valid or not.
func (a *Service) addMade(tokens map[string]*entry) {
	queue := make([]string, 0, len(tokens))
	for id := range tokens {
		queue = append(queue, id)
	}
	for len(queue) > 0 {
		id := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for made, e := range a.tokens.tagged(tag{ofMaker, id}) {
			if _, ok := tokens[made]; !ok {
				tokens[made] = e
				queue = append(queue, made)
			}
		}
	}
}

// madeWith returns the tokens that were made with the token with an id, at any depth and valid or not.
func (a *Service) madeWith(id string) map[string]*entry {
	tokens := map[string]*entry{id: nil} // its record may be gone
	a.addMade(tokens)
	delete(tokens, id)
	return tokens
}
