package catalog

import (
	"fmt"

	"github.com/patchsource/patchsource/patch"
)

// A versionEdit adds versions to a definition, or removes one. It works on the outline of the definition, so that the
// other patches are neither read nor written, or on the parsed definition if there is no outline.
type versionEdit struct {
	text    []byte // of the definition before the edit
	outline *outline
	parsed  *patch.Definition // before the edit; nil if it is not known and there is an outline

	old     *patch.Definition // the outline's, or the parsed one
	next    patch.Definition  // a copy of old that the edit changes
	patches [][]byte          // the JSON of the patches of next, if there is an outline
	added   []bool            // which patches of next are new
}

// newVersionEdit returns an edit of the definition of the title id. The error is ErrUnavailable.
func newVersionEdit(id string, rec *record) (*versionEdit, error) {
	s := &versionEdit{text: rec.definition, parsed: rec.facts().parsed}
	var err error
	if s.outline, err = rec.outline(); err != nil {
		if s.parsed, err = rec.parse(); err != nil {
			return nil, unreadableDefinition(id, err)
		}
		s.old = s.parsed
	} else {
		s.old = s.outline.definition
	}
	s.next = *s.old
	return s, nil
}

// unreadableDefinition returns the error of parsing the definition of the title id.
func unreadableDefinition(id string, err error) error {
	return fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
}

// keep notes which patches of next are new. Those are the ones with the versions of some that are given, and valid. It
// replaces them by copies as they will be parsed from the stored definition.
func (s *versionEdit) keep(given []patch.Patch) error {
	isNew := make(map[string]bool, len(given))
	for i := range given {
		isNew[given[i].Version] = true
	}
	s.added = make([]bool, len(s.next.Patches))
	var old [][]byte // the patches before the edit from the next one on
	if s.outline != nil {
		old = s.outline.patches(s.text)
		s.patches = make([][]byte, len(s.next.Patches))
	}
	was := s.old.Patches // likewise
	for i := range s.next.Patches {
		p := &s.next.Patches[i]
		if isNew[p.Version] {
			s.added[i] = true
			data, err := p.MarshalJSON()
			if err != nil {
				return fmt.Errorf("%w: %w", patch.ErrInvalid, err)
			}
			own, err := parseStoredPatch(data)
			if err != nil {
				return err
			}
			*p = *own
			if s.outline != nil {
				s.patches[i] = data
			}
			continue
		}
		if s.outline == nil {
			continue
		}
		for was[0].Version != p.Version { // it was removed
			was, old = was[1:], old[1:]
		}
		s.patches[i] = old[0]
		was, old = was[1:], old[1:]
	}
	return nil
}

// isAdded reports whether the patch of next at an index, which need not exist, is new.
func (s *versionEdit) isAdded(i int) bool { return i >= 0 && i < len(s.added) && s.added[i] }

// read reads the content of the patches of next at some indices, and of those before them.
func (s *versionEdit) read(wanted func(i int) bool) error {
	if s.outline == nil {
		return nil
	}
	for i := range s.next.Patches {
		if p := &s.next.Patches[i]; !s.added[i] && (wanted(i) || wanted(i+1)) {
			content, err := parseStoredPatch(s.patches[i])
			if err != nil {
				return unreadableDefinition(s.old.ID, err)
			}
			*p = *content
		}
	}
	return nil
}

// parseStoredPatch parses a patch of a definition that was valid when it was written.
func parseStoredPatch(p []byte) (*patch.Patch, error) {
	return patch.ParsePatch(p, &patch.ParseOptions{MaxBytes: len(p), Stored: true})
}

// edited returns the outcome of the edit.
func (s *versionEdit) edited(warnings []patch.Warning) (edited, error) {
	if s.outline == nil {
		text, err := s.next.MarshalJSON()
		if err != nil {
			return edited{}, fmt.Errorf("%w: %w", patch.ErrInvalid, err)
		}
		next := s.next // a reference to s would keep the definition before the edit
		return edited{warnings: warnings, text: text, parsed: &next}, nil
	}
	e := edited{warnings: warnings, parsed: s.parsedNext()}
	var err error
	if e.outline, e.text, err = newOutline(&s.next, s.patches); err != nil {
		return edited{}, fmt.Errorf("%w: %w", patch.ErrInvalid, err)
	}
	return e, nil
}

// parsedNext returns the parsed definition after the edit, nil if that before it is not known.
func (s *versionEdit) parsedNext() *patch.Definition {
	if s.parsed == nil {
		return nil
	}
	d := *s.parsed
	d.LastModified, d.CurrentVersion = s.next.LastModified, s.next.CurrentVersion
	d.Patches = make([]patch.Patch, len(s.next.Patches))
	was := s.parsed.Patches
	for i := range s.next.Patches {
		if s.added[i] {
			d.Patches[i] = s.next.Patches[i]
			continue
		}
		for was[0].Version != s.next.Patches[i].Version {
			was = was[1:]
		}
		d.Patches[i] = was[0]
		was = was[1:]
	}
	return &d
}
