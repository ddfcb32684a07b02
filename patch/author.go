package patch

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxAuthorLength is the most bytes that the name of a new author may have.
const maxAuthorLength = 100

// CheckAuthor reports whether a new author may have this name: it has at most
// [maxAuthorLength] bytes, passes [CheckText], keeps to the letters of one script
// (those that Chinese, Japanese and Korean write together count as one), has no
// compatibility characters, such as full-width letters, and has an [AuthorID].
// White space around it does not count.
//
// The error is [ErrAuthor]. An author of a stored title may have a name that was
// accepted before there were these rules.
func CheckAuthor(name string) error {
	if len(name) > maxAuthorLength {
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrAuthor, len(name), maxAuthorLength)
	}
	name = strings.TrimSpace(name)
	if message := unsafeText(name); message != "" {
		return fmt.Errorf("%w: it %s", ErrAuthor, message)
	}
	if strings.ContainsAny(name, "()（）") {
		return fmt.Errorf(
			"%w: it must have no parentheses: what stands in them at the end of a title's name is the author",
			ErrAuthor,
		)
	}
	composed := norm.NFC.String(name)
	if r, ok := unusualLatin(composed); ok {
		return fmt.Errorf("%w: %q is no letter of a language's usual Latin alphabet: it may be taken for another one",
			ErrAuthor, r)
	}
	if plain := norm.NFKC.String(name); plain != composed {
		return fmt.Errorf("%w: %q has compatibility characters, such as full-width letters: write it as %q",
			ErrAuthor, name, plain)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Variation_Selector, r) }) {
		return fmt.Errorf("%w: it has a variation selector, which cannot be seen: remove it", ErrAuthor)
	}
	if scripts := scriptsOf(composed); !writtenTogether(scripts) {
		return fmt.Errorf("%w: %q mixes letters of %s: keep to one script",
			ErrAuthor, name, strings.Join(scripts, " and "))
	}
	_, err := AuthorID(name)
	return err
}

// usualLatin are the letters of the Latin alphabets that names are written in: up to Latin Extended-A, those of Romanian,
// Vietnamese and Pinyin, and those with several marks. Other Latin letters, such as phonetic ones, look like these.
var usualLatin = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 'A', Hi: 'Z', Stride: 1}, {Lo: 'a', Hi: 'z', Stride: 1},
		{Lo: 0xc0, Hi: 0x17f, Stride: 1},    // Latin-1, Latin Extended-A
		{Lo: 0x18f, Hi: 0x18f, Stride: 1},   // Ə, as in Azerbaijani
		{Lo: 0x1a0, Hi: 0x1a1, Stride: 1},   // Ơ
		{Lo: 0x1af, Hi: 0x1b0, Stride: 1},   // Ư
		{Lo: 0x1cd, Hi: 0x1dc, Stride: 1},   // Pinyin
		{Lo: 0x218, Hi: 0x21b, Stride: 1},   // Ș, Ț
		{Lo: 0x259, Hi: 0x259, Stride: 1},   // ə
		{Lo: 0x1e00, Hi: 0x1eff, Stride: 1}, // Latin Extended Additional
	},
	LatinOffset: 2,
}

// unusualLatin returns the first Latin letter of a composed name that is in no usual alphabet.
func unusualLatin(name string) (rune, bool) {
	for _, r := range name {
		if unicode.Is(unicode.Latin, r) && !unicode.Is(usualLatin, r) && norm.NFKC.String(string(r)) == string(r) {
			return r, true
		}
	}
	return 0, false
}

// scriptsOf returns the names of the scripts that s is written in, sorted. What
// several scripts share, such as digits and most marks, is of none.
func scriptsOf(s string) (scripts []string) {
	for _, r := range s {
		for script, table := range unicode.Scripts {
			shared := script == "Common" || script == "Inherited"
			if !shared && unicode.Is(table, r) && !slices.Contains(scripts, script) {
				scripts = append(scripts, script)
			}
		}
	}
	slices.Sort(scripts)
	return scripts
}

// writtenTogether reports whether one language is written in all the scripts.
func writtenTogether(scripts []string) bool {
	if len(scripts) <= 1 {
		return true
	}
	for _, together := range [][]string{
		{"Han", "Hiragana", "Katakana"},
		{"Han", "Hangul"},
		{"Han", "Bopomofo"},
	} {
		if !slices.ContainsFunc(scripts, func(s string) bool { return !slices.Contains(together, s) }) {
			return true
		}
	}
	return false
}

// AuthorID returns the form that an author's name takes in an id: white space
// becomes _, letters with marks lose them (José Núñez: Jose_Nunez), and what is
// then outside the alphabet of ids is dropped. Different names may have the same
// form. It also takes names that [CheckAuthor] refuses: an author of a stored
// title keeps the id.
//
// The error is [ErrAuthor]: nothing is left of the name, it is longer than
// [maxNameLength], it is not valid UTF-8, or it has control characters.
func AuthorID(author string) (string, error) {
	if len(author) > maxNameLength {
		return "", fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrAuthor, len(author), maxNameLength)
	}
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
			if b, ok := unmarked[r]; ok { // a mark by itself, of decomposed text, is dropped
				id.WriteByte(b)
			}
		}
	}
	if strings.Trim(id.String(), "_.-") == "" {
		return "", fmt.Errorf(
			"%w: %q has no letter or digit that an id may have (A-Z a-z 0-9): use one that has",
			ErrAuthor,
			shorten(author),
		)
	}
	return id.String(), nil
}

// Skeleton returns what names that look alike have in common: Google, GOOGLE,
// Goog1e, "Go-ogle" and Gооgle with Cyrillic letters have the same skeleton.
// Marks, and everything that is neither letter nor digit, are dropped. Skeletons
// are for comparison only: they are not for showing, and another version of this
// package may return others. The skeleton of a name without letters and digits
// is empty.
func Skeleton(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(name) {
		like, ok := lookAlike[r]
		if !ok {
			r = unicode.ToLower(r)
			like, ok = lookAlike[r]
		}
		switch {
		case ok:
			b.WriteString(like)
		case unicode.IsLetter(r), unicode.IsNumber(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Namespace puts the author of a new title into d: the id becomes <id>_<author>,
// with the author as [AuthorID] has it, and the name <name> (<author>), with the
// author as typed, as CommunityPatch did; see [Definition.KeepAuthor].
//
// The error is [ErrAuthor] if [CheckAuthor] refuses the author or the id becomes
// longer than [MaxIDLength], or that of KeepAuthor; d is then unchanged.
func (d *Definition) Namespace(author string) error {
	if err := CheckAuthor(author); err != nil {
		return err
	}
	return d.NamespaceStored(author)
}

// NamespaceStored is [Definition.Namespace] for an author who was accepted
// earlier, maybe before there was [CheckAuthor].
func (d *Definition) NamespaceStored(author string) error {
	if d == nil {
		return errNilDefinition
	}
	suffix, err := AuthorID(author)
	if err != nil {
		return err
	}
	id := d.ID + "_" + suffix
	if len(id) > MaxIDLength {
		return fmt.Errorf(
			"%w: with it, the id would have %d characters, and %d are allowed",
			ErrAuthor,
			len(id),
			MaxIDLength,
		)
	}
	if err := d.KeepAuthor(author); err != nil {
		return err
	}
	d.ID = id
	return nil
}

// KeepAuthor makes d.Name end in " (author)" exactly once, whatever it said
// before: "Google Chrome", "Google Chrome (Nobody)" and "Google Chrome (Nobody)
// (Nobody)" all become "Google Chrome (Nobody)". Runs of white space in the name
// become one space.
//
// The error is [ErrInvalid] as a *[ValidationError] if the name would be longer
// than [maxNameLength] or would be the author's alone, or [ErrAuthor] if the
// author is empty; d is then unchanged.
func (d *Definition) KeepAuthor(author string) error {
	if d == nil {
		return errNilDefinition
	}
	author = strings.TrimSpace(author)
	if author == "" {
		return fmt.Errorf("%w: it is empty", ErrAuthor)
	}
	// The name's white space is collapsed, so the author's is to be looked for.
	repeated := "(" + strings.Join(strings.Fields(author), " ") + ")"
	name := strings.Join(strings.Fields(d.Name), " ")
	for {
		rest, ok := strings.CutSuffix(name, repeated)
		if !ok {
			break
		}
		name = strings.TrimSuffix(rest, " ")
	}
	if name == "" {
		return nameError("must say more than the author's name: put the title's name in front of it")
	}
	name += " (" + author + ")"
	if len(name) > maxNameLength {
		return nameError(fmt.Sprintf("must have at most %d bytes, not %d with the author's name behind it: shorten it",
			maxNameLength, len(name)))
	}
	d.Name = name
	return nil
}

func nameError(message string) error {
	return &ValidationError{Failures: []Failure{{Path: "/name", Message: message}}}
}
