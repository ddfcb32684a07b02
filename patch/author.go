package patch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxAuthorLength is the maximum length in bytes of the name of a new author.
const maxAuthorLength = 100

// CheckAuthor reports whether a new author may have a name. The name must have at most 100 bytes, no invisible
// characters, no parentheses, only letters of one script (those that Chinese, Japanese and Korean combine count as
// one), no compatibility characters such as full-width letters, and an [AuthorID]. White space around it is ignored.
//
// The error is [ErrAuthor]. The author of a stored title may have a name that was accepted before these rules existed.
func CheckAuthor(name string) error {
	if len(name) > maxAuthorLength {
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrAuthor, len(name), maxAuthorLength)
	}
	name = strings.TrimSpace(name)
	if message := unsafeText(name); message != "" {
		return fmt.Errorf("%w: it %s", ErrAuthor, message)
	}
	if strings.ContainsAny(name, "()（）") {
		return fmt.Errorf("%w: it must not have parentheses: a title's name has them around its author", ErrAuthor)
	}
	if err := checkLetters(name); err != nil {
		return fmt.Errorf("%w: %w", ErrAuthor, err)
	}
	_, err := AuthorID(name)
	return err
}

// checkLetters reports whether the letters of a name are unlikely to be taken for others.
func checkLetters(name string) error {
	composed := norm.NFC.String(name)
	if r, ok := unusualLatin(composed); ok {
		return fmt.Errorf("%q is not in the usual Latin alphabet of a language and may be taken for another letter", r)
	}
	if plain := norm.NFKC.String(name); plain != composed {
		return fmt.Errorf("%q has compatibility characters, such as full-width letters: write it as %q", name, plain)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Variation_Selector, r) }) {
		return errors.New("it has a variation selector, which is invisible: remove it")
	}
	if scripts := scriptsOf(composed); !writtenTogether(scripts) {
		return fmt.Errorf("%q mixes letters of %s: use one script", name, strings.Join(scripts, " and "))
	}
	return nil
}

// usualLatin has the letters of the Latin alphabets in which names are written: those up to Latin Extended-A, those of
// Romanian, Vietnamese and Pinyin, and those with several marks. Other Latin letters, such as phonetic ones, look like
// these.
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

// scriptsOf returns the sorted names of the scripts of s. Characters that several scripts share, such as digits and
// most marks, are ignored.
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

// writtenTogether reports whether a language is written in all of these scripts.
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

// AuthorID returns the form of an author's name in an id: white space becomes _, letters lose their marks
// (José Núñez becomes Jose_Nunez), and other characters that an id cannot have are dropped. Different names may have
// the same form. AuthorID accepts names that [CheckAuthor] refuses, because the author of a stored title keeps the id.
//
// The error is [ErrAuthor]: the form is empty, or the name is longer than 1,000 bytes, is not valid UTF-8 or has
// control characters.
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
			return "", fmt.Errorf("%w: it must not have line breaks or other control characters", ErrAuthor)
		case unicode.IsSpace(r):
			id.WriteByte('_')
		case r < utf8.RuneSelf:
			if idByte(byte(r)) {
				id.WriteByte(byte(r))
			}
		default:
			if b, ok := unmarked[r]; ok { // the separate marks of decomposed text are dropped
				id.WriteByte(b)
			}
		}
	}
	if strings.Trim(id.String(), "_.-") == "" {
		return "", fmt.Errorf("%w: %q has no letter or digit that an id can have (A-Z a-z 0-9): use a name with one",
			ErrAuthor, shorten(author))
	}
	return id.String(), nil
}

// Skeleton returns a form that is the same for names that look alike: Google, GOOGLE, Goog1e, "Go-ogle" and Gооgle
// with Cyrillic letters have the same skeleton. Marks, and all characters other than letters and digits, are
// dropped. Skeletons are for comparison, not to be shown. The skeleton of a name without letters and digits is
// empty.
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

// Namespace adds the author of a new title to d: the id becomes <id>_<author>, with the author as returned by
// [AuthorID], and the name <name> (<author>), with the author as typed; see [Definition.KeepAuthor].
//
// The error is [ErrAuthor] if [CheckAuthor] refuses the author or the id would be longer than [MaxIDLength], or one of
// KeepAuthor. d is then unchanged.
func (d *Definition) Namespace(author string) error {
	if err := CheckAuthor(author); err != nil {
		return err
	}
	return d.NamespaceStored(author)
}

// NamespaceStored is like [Definition.Namespace] for an author who was accepted earlier, perhaps before the rules of
// [CheckAuthor] existed.
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
		return fmt.Errorf("%w: the id would have %d characters with it, at most %d are allowed",
			ErrAuthor, len(id), MaxIDLength)
	}
	if err := d.KeepAuthor(author); err != nil {
		return err
	}
	d.ID = id
	return nil
}

// KeepAuthor makes d.Name end in " (author)" exactly once: "Google Chrome", "Google Chrome (Nobody)" and "Google Chrome
// (Nobody) (Nobody)" all become "Google Chrome (Nobody)". Runs of white space in the name become one space.
//
// The error is [ErrInvalid], a *[ValidationError], if the name would be longer than 1,000 bytes or consist of the
// author alone, or [ErrAuthor] if the author is empty. d is then unchanged.
func (d *Definition) KeepAuthor(author string) error {
	if d == nil {
		return errNilDefinition
	}
	author = strings.TrimSpace(author)
	if author == "" {
		return fmt.Errorf("%w: it is empty", ErrAuthor)
	}
	// White space in the name is collapsed, and so it is in the author to search for.
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
		return nameError("must not consist of the author's name alone: put the title's name before it")
	}
	name += " (" + author + ")"
	if len(name) > maxNameLength {
		return nameError(fmt.Sprintf("must have at most %d bytes, not %d with the author's name: shorten it",
			maxNameLength, len(name)))
	}
	d.Name = name
	return nil
}

func nameError(message string) error {
	return &ValidationError{Failures: []Failure{{Path: "/name", Message: message}}}
}
