package catalog

import (
	"bytes"
	"encoding/json"

	"github.com/patchsource/patchsource/patch"
)

// wholeText returns the definition of a record with its disabled patches, as JSON. The error says that the record is
// corrupt.
func (r *record) wholeText() (json.RawMessage, error) {
	if len(r.Disabled) == 0 {
		return r.definition, nil
	}
	whole, err := r.whole()
	if err != nil {
		return nil, err
	}
	return whole.MarshalJSON()
}

// mergeDisabled returns the draft d, a whole definition that takes the place of old, with the changes that others have
// made to the disabled patches of the title since the draft was begun: these do not change the entity tag of the title.
// ok is false if the draft has changed the same patch in another way. The error says that the record is corrupt.
func (r *record) mergeDisabled(old, d *patch.Definition) (merged *patch.Definition, ok bool, err error) {
	base, _, err := patch.ParseDraft(r.Draft.BaseDefinition, &patch.ParseOptions{MaxBytes: -1, Stored: true})
	if err != nil {
		return nil, false, err
	}
	theirs, err := r.disabledPatches()
	if err != nil {
		return nil, false, err
	}
	served, mine := d.Split()
	_, was := base.Split()
	inBase, inMine, inTheirs := disabledTexts(was), disabledTexts(mine), disabledTexts(theirs)
	byVersion := make(map[string]patch.Patch, len(theirs))
	for _, p := range theirs {
		byVersion[p.Patch.Version] = p.Patch
	}
	var result []patch.Placed
	for _, p := range mine {
		v := p.Patch.Version
		switch {
		case bytes.Equal(inBase[v], inTheirs[v]), bytes.Equal(inMine[v], inTheirs[v]):
			result = append(result, p)
		case !bytes.Equal(inMine[v], inBase[v]):
			return nil, false, nil
		case inTheirs[v] != nil:
			result = append(result, patch.Placed{After: p.After, Patch: byVersion[v]})
		}
	}
	isServed := versionSet(served)
	var added []patch.Placed
	for _, p := range theirs {
		v := p.Patch.Version
		switch {
		case inMine[v] != nil: // seen above
		case bytes.Equal(inBase[v], inTheirs[v]) && (r.Draft.Whole || isServed[v]): // removed or served by the draft
		case isServed[v], inBase[v] != nil && r.Draft.Whole:
			return nil, false, nil
		default:
			added = append(added, p)
		}
	}
	added = patch.KeepDisabled(added, old.Versions(), served.Versions())
	return served.Whole(append(result, added...)), true, nil
}

// disabledTexts returns the JSON of disabled patches by their versions.
func disabledTexts(all []patch.Placed) map[string][]byte {
	texts := make(map[string][]byte, len(all))
	for _, p := range all {
		text, err := json.Marshal(p.Patch)
		if err != nil {
			text = []byte{} // impossible for a patch that was parsed
		}
		texts[p.Patch.Version] = text
	}
	return texts
}

// versionSet returns the versions of the patches that are not disabled.
func versionSet(d *patch.Definition) map[string]bool {
	versions := d.Versions()
	set := make(map[string]bool, len(versions))
	for _, v := range versions {
		set[v] = true
	}
	return set
}
