package patch

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxMarks is the maximum number of marks on one letter. No language needs more.
const maxMarks = 4

// unsafeText returns why s must not be shown beside other text, or nothing if it may be. Safe text is valid UTF-8
// without characters that are invisible or change how their neighbors are shown: control, format and bidirectional
// characters and line separators (Unicode's Cc, Cf, Zl and Zp), and fillers without ink. It has at most four marks
// above, below or around one letter, because more would cover its neighbors.
func unsafeText(s string) string {
	marks := 0
	for i, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
			marks++
		case !unicode.Is(unicode.Mc, r): // spacing marks, as in Burmese, cover nothing
			marks = 0
		}
		switch {
		case marks > maxMarks:
			return fmt.Sprintf("has more than %d marks on one letter at byte %d: remove some", maxMarks, i)
		case r == utf8.RuneError && !isRuneError(s[i:]):
			return "must be valid UTF-8"
		case invisible(r):
			return fmt.Sprintf("has the invisible character U+%04X at byte %d: remove it", r, i)
		}
	}
	return ""
}

// CheckVersion reports whether a patch may have a version: it has 1 to 255 bytes, and no characters that are invisible
// or change how their neighbors are shown. The error says what is wrong, such as "must not be empty".
func CheckVersion(version string) error {
	switch message := unsafeText(version); {
	case version == "":
		return errors.New("must not be empty")
	case len(version) > maxVersionLength:
		return fmt.Errorf("must have at most %d bytes, not %d", maxVersionLength, len(version))
	case message != "":
		return errors.New(message)
	}
	return nil
}

// isRuneError reports whether s begins with the character U+FFFD, and not with bytes that are not UTF-8.
func isRuneError(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size > 1
}

// invisible reports whether r is invisible or changes how its neighbors are shown. White space other than line
// separators counts as visible.
func invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == '\x7f'
	}
	const (
		brailleBlank      = '\u2800'
		objectReplacement = '\ufffc'
		nullNotehead      = '\U0001d159'
	)
	// The variation selectors from U+E0100 on choose a form of an ideograph. That of emoji, U+FE0F, is common and
	// allowed.
	return r == brailleBlank || r == objectReplacement || r == nullNotehead || 0xe0100 <= r && r <= 0xe01ef ||
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}
