package patch

import (
	"cmp"
	"unicode"
	"unicode/utf8"
)

// A kind says what a byte of a version string is.
type kind uint8

const (
	none      kind = iota // the end
	separator             // any other character
	point                 // between the numbers of a release: a dot, comma or colon
	digit
	letter // of a normalized text, any byte beyond ASCII
	bracket
	plus
)

// kinds is the kind of each byte, and lower is each byte with ASCII letters in lower case.
var kinds, lower = byteTables()

func byteTables() (kinds [256]kind, lower [256]byte) {
	for i := range kinds {
		b := byte(i)
		lower[i] = b
		switch {
		case '0' <= b && b <= '9':
			kinds[i] = digit
		case 'A' <= b && b <= 'Z':
			kinds[i], lower[i] = letter, b-'A'+'a'
		case 'a' <= b && b <= 'z' || b >= utf8.RuneSelf:
			kinds[i] = letter
		case b == '.' || b == ',' || b == ':':
			kinds[i] = point
		case b == '(' || b == '[':
			kinds[i] = bracket
		case b == '+':
			kinds[i] = plus
		default:
			kinds[i] = separator
		}
	}
	return kinds, lower
}

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if s[0]|s[1]|s[2]|s[3]|s[4]|s[5]|s[6]|s[7] >= utf8.RuneSelf {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendNormalized appends one form of what means the same: digits and dashes of ASCII, a space for other characters
// that are neither ASCII nor letters, nothing for those without width, and lower case beyond ASCII.
func appendNormalized(text []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			text = append(text, byte(r))
		case '０' <= r && r <= '９':
			text = append(text, byte(r-'０'+'0'))
		case '‐' <= r && r <= '―' || r == '−':
			text = append(text, '-')
		case caseless(r):
			text = utf8.AppendRune(text, r)
		case unicode.IsLetter(r):
			text = utf8.AppendRune(text, unicode.ToLower(r))
		case unicode.Is(unicode.Cf, r): // zero width, byte order mark
		case unicode.Is(unicode.Pd, r):
			text = append(text, '-')
		default:
			text = append(text, ' ')
		}
	}
	return text
}

// caseless reports whether a rune is one of the many letters without case in the largest ranges, faster than package
// unicode does.
func caseless(r rune) bool {
	return '一' <= r && r <= '鿿' || 'ぁ' <= r && r <= 'ゖ' || 'ァ' <= r && r <= 'ヺ' || '가' <= r && r <= '힣'
}

// compareFold compares texts as if their ASCII letters were in lower case.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := lower[a[i]], lower[b[i]]; x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// equalFold reports whether a text is the same as one in lower case.
func equalFold(text, folded string) bool {
	if len(text) != len(folded) {
		return false
	}
	for i := range len(text) {
		if lower[text[i]] != folded[i] {
			return false
		}
	}
	return true
}

// singleRune reports whether a word is a single letter.
func singleRune(word string) bool {
	_, n := utf8.DecodeRuneInString(word)
	return n == len(word)
}
