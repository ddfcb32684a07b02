package patch

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AuthorID returns the form that an author's name takes in an id: white space
// becomes _, letters with marks lose them (José Núñez: Jose_Nunez), and what is
// then outside the alphabet of ids is dropped. Different names may have the same
// form.
//
// The error is [ErrAuthor]: nothing is left of the name, it is not valid UTF-8,
// or it has control characters.
func AuthorID(author string) (string, error) {
	if !utf8.ValidString(author) {
		return "", fmt.Errorf("%w: it must be valid UTF-8", ErrAuthor)
	}
	var id strings.Builder
	for _, r := range strings.TrimSpace(author) {
		switch {
		case unicode.IsControl(r):
			return "", fmt.Errorf("%w: it must have no line breaks or other control characters", ErrAuthor)
		case unicode.IsSpace(r):
			id.WriteByte('_')
		case r < utf8.RuneSelf:
			if idByte(byte(r)) {
				id.WriteByte(byte(r))
			}
		default:
			if b := unmarked(r); b != 0 {
				id.WriteByte(b)
			}
		}
	}
	if strings.Trim(id.String(), "_.-") == "" {
		return "", fmt.Errorf("%w: %q has no letter or digit that an id may have (A-Z a-z 0-9): use one that has", ErrAuthor, shorten(author))
	}
	return id.String(), nil
}

// unmarked returns the letter of the id alphabet that r is with marks, or 0.
// A mark of its own (of decomposed text) is dropped as any other character.
func unmarked(r rune) byte {
	for _, l := range markedLetters {
		if strings.ContainsRune(l.marked, r) {
			return l.base
		}
	}
	return 0
}

// Namespace puts an author into d: the id becomes <id>_<author>, with the author
// as [AuthorID] has it, and the name <name> (<author>), with the author as
// typed, as CommunityPatch did.
//
// The error is [ErrAuthor], also when the id becomes longer than [MaxIDLength];
// d is then unchanged.
func (d *Definition) Namespace(author string) error {
	suffix, err := AuthorID(author)
	if err != nil {
		return err
	}
	id := d.ID + "_" + suffix
	if len(id) > MaxIDLength {
		return fmt.Errorf("%w: with it, the id would have %d characters, and %d are allowed", ErrAuthor, len(id), MaxIDLength)
	}
	d.ID = id
	d.Name += " (" + strings.TrimSpace(author) + ")"
	return nil
}
