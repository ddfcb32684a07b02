package patch

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// unsafeText says what is wrong with s, or returns nothing.
func unsafeText(s string) string {
	marks := 0
	for i, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
			marks++
		case !unicode.Is(unicode.Mc, r): // one that takes space of its own, as in Burmese, does not cover anything
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

// maxMarks is how many marks a letter may have: no language needs more.
const maxMarks = 4

// isRuneError reports whether s begins with U+FFFD itself, not with bytes that
// are no UTF-8.
func isRuneError(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size > 1
}

// invisible reports whether r cannot be seen, or changes how its neighbours are
// shown. White space other than line separators can be seen.
func invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == '\x7f'
	}
	const (
		brailleBlank      = '\u2800'
		objectReplacement = '\ufffc'
		nullNotehead      = '\U0001d159'
	)
	// Variation selectors from U+E0100 on choose a form of an ideograph; that of emoji, U+FE0F, is common and stays.
	return r == brailleBlank || r == objectReplacement || r == nullNotehead || 0xe0100 <= r && r <= 0xe01ef ||
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}
