package catalog

import (
	"bytes"
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
	unknown int               // the number of unknown members of next, or -1, as in an outline
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
		old, s.unknown = s.outline.patches(s.text), s.outline.unknown
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
		for was[0].Version != p.Version {
			if err := s.removed(old[0]); err != nil {
				return err
			}
			was, old = was[1:], old[1:]
		}
		s.patches[i] = old[0]
		was, old = was[1:], old[1:]
	}
	return nil
}

// removed counts the unknown members without those of a patch, which is given as JSON.
func (s *versionEdit) removed(p []byte) error {
	if s.unknown <= 0 {
		return nil
	}
	content, err := parseStoredPatch(p)
	if err != nil {
		return unreadableDefinition(s.old.ID, err)
	}
	s.unknown -= content.UnknownMembers()
	return nil
}

// checkUnknown returns an error if the patches that were added bring too many unknown members into the definition.
// Without an outline, ValidateEdit checks that.
func (s *versionEdit) checkUnknown() error {
	if s.outline == nil {
		return nil
	}
	more := 0
	for i := range s.next.Patches {
		if s.added[i] {
			more += s.next.Patches[i].UnknownMembers()
		}
	}
	if more == 0 || s.unknown < 0 && bytes.Count(s.text, []byte(":"))+more <= patch.MaxUnknown {
		return nil // each member has a colon
	}
	if s.unknown < 0 {
		d, err := parseStored(s.text)
		if err != nil {
			return unreadableDefinition(s.old.ID, err)
		}
		s.unknown = d.UnknownMembers()
	}
	if s.unknown += more; s.unknown > patch.MaxUnknown {
		return &patch.ValidationError{Failures: []patch.Failure{{Path: "/patches", Message: fmt.Sprintf(
			"must have at most %d unknown members, not %d: remove some", patch.MaxUnknown, s.unknown)}}}
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
	parsed, err := patch.ParsePatch(p, &patch.ParseOptions{MaxBytes: len(p), Stored: true})
	if err == nil {
		parsed.Disabled = false // see parseStored
	}
	return parsed, err
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
	if e.outline, e.text, err = newOutline(&s.next, s.patches, s.unknown); err != nil {
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
