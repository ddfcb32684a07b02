package patch_test

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file and version_oracle_words_test.go hold the first implementation of version order, which parses both strings
// into lists before it compares them. The comparison without allocation must give the same results.

// An oracleVersion is the key of a version string.
type oracleVersion struct {
	text    string   // as given
	nodigit string   // the normalized text of a string without a digit
	release []string // numbers without leading zeros; zero is ""; no trailing zeros
	suffix  []oracleToken
	tie     []oracleToken
	lead    string
	written int // the number of numbers as written; 0 if there is no digit
}

// parseOracle returns the key of a version string.
func parseOracle(s string) oracleVersion {
	p := oracleParser{oracleVersion: oracleVersion{text: s}, s: oracleNormalize(s)}
	p.parse()
	return p.oracleVersion
}

// order is the oracle of [patch.Version.Order].
func (v *oracleVersion) order(w *oracleVersion) int {
	return cmp.Or(v.compare(w), cmp.Compare(v.written, w.written), strings.Compare(v.text, w.text))
}

func (v *oracleVersion) compare(w *oracleVersion) int {
	if v.written == 0 || w.written == 0 {
		return cmp.Or(cmp.Compare(v.written, w.written), strings.Compare(v.nodigit, w.nodigit))
	}
	return cmp.Or(
		oracleCompareRelease(v.release, w.release),
		oracleCompareSuffix(v.suffix, w.suffix),
		oracleCompareTie(v.tie, w.tie),
		strings.Compare(v.lead, w.lead),
	)
}

func oracleCompareRelease(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if c := oracleCompareNumber(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// oracleCompareNumber compares numbers without leading zeros. They may be too large for any integer type.
func oracleCompareNumber(a, b string) int {
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

func oracleCompareSuffix(a, b []oracleToken) int {
	afterPre := false // the same for both, because their tokens so far are equal
	for i := range max(len(a), len(b)) {
		var x, y oracleToken // the zero token is the end
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := cmp.Compare(x.class.place(afterPre), y.class.place(afterPre)); c != 0 {
			return c
		}
		c := 0
		switch {
		case x.class == oracleNumber:
			c = oracleCompareNumber(x.text, y.text)
		case afterPre:
			c = strings.Compare(x.text, y.text)
		default:
			c = cmp.Or(cmp.Compare(x.rank, y.rank), strings.Compare(x.text, y.text))
		}
		if c != 0 {
			return c
		}
		afterPre = afterPre || x.class == oraclePre
	}
	return 0
}

// place returns the place of a class among the others at one position of the suffix.
func (c oracleClass) place(afterPre bool) int {
	if afterPre {
		switch c {
		case oracleEnd:
			return 0
		case oracleNumber:
			return 1
		case oracleRevision:
			return 2
		}
		return 3 // words of every class
	}
	return int(c)
}

func oracleCompareTie(a, b []oracleToken) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		c := cmp.Compare(x.class, y.class) // words have the class post, which is below number
		if c == 0 && x.class == oracleNumber {
			c = oracleCompareNumber(x.text, y.text)
		} else if c == 0 {
			c = strings.Compare(x.text, y.text)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// An oracleClass is the kind of a token in a suffix. The order of the constants is that of tokens at one position,
// unless a pre-release token precedes them.
type oracleClass int8

const (
	oraclePre      oracleClass = iota - 1 // a word of a pre-release
	oracleEnd                             // the zero token: the end of the suffix
	oracleRevision                        // a number follows a number, but not after a dot
	oraclePost                            // any other word
	oracleNumber
)

type oracleToken struct {
	class oracleClass
	rank  int8   // of a pre-release word
	text  string // a word, or a number without leading zeros
}

// oracleNormalize lower-cases a string, replaces digits and dashes by those of ASCII and other characters that are
// neither ASCII nor letters by spaces, and drops those without width.
func oracleNormalize(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(strings.TrimSpace(s))
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf:
			return r
		case unicode.Is(unicode.Cf, r): // zero width, byte order mark
			return -1
		case '０' <= r && r <= '９':
			return r - '０' + '0'
		case unicode.Is(unicode.Pd, r) || r == '−':
			return '-'
		case unicode.IsLetter(r):
			return unicode.ToLower(r)
		}
		return ' '
	}, s)
	return strings.ToLower(strings.TrimSpace(s))
}

// An oracleParser parses a normalized version string from left to right.
type oracleParser struct {
	oracleVersion
	s           string // the rest
	afterNumber bool   // whether the last token was a number
	gap         string // the separators after the last token
}

func (p *oracleParser) parse() {
	s := p.s
	if !p.skipLead() {
		p.nodigit = strings.Join(strings.Fields(s), " ")
		p.lead = ""
		return
	}
	p.readRelease()
	p.readSuffix()
}

// skipLead skips to the first digit that is not part of an architecture's name, and reports whether there is one. The
// words before it become lead, apart from v, ver and version.
func (p *oracleParser) skipLead() bool {
	var lead []string
	for p.s != "" {
		if oracleDigits(p.s) > 0 {
			p.lead = strings.Join(lead, " ")
			return true
		}
		n := oracleWordLength(p.s)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(p.s)
		} else if w := p.s[:n]; w != "v" && w != "ver" && w != "version" {
			lead = append(lead, w)
		}
		p.s = p.s[n:]
	}
	return false
}

// readRelease reads the numbers that are joined by dots, commas or colons.
func (p *oracleParser) readRelease() {
	for {
		n := oracleDigits(p.s)
		p.release = append(p.release, oracleTrimZeros(p.s[:n]))
		p.s = p.s[n:]
		if p.s == "" || !strings.ContainsRune(".,:", rune(p.s[0])) {
			break
		}
		next := strings.TrimLeft(p.s[1:], " ")
		if oracleDigits(next) == 0 {
			break
		}
		p.s = next
	}
	p.written = len(p.release)
	for n := len(p.release); n > 0 && p.release[n-1] == ""; n-- {
		p.release = p.release[:n-1]
	}
	p.afterNumber = true
}

// readSuffix reads the words and numbers after the release.
func (p *oracleParser) readSuffix() {
	first := true
	for {
		p.skipGap()
		switch {
		case p.s == "":
			return
		case p.s[0] == '+':
			p.tie = append(oracleTieTokens(p.s[1:]), p.tie...)
			return
		case p.s[0] == '(' || p.s[0] == '[':
			p.readBracket()
		case oracleDigits(p.s) > 0:
			n := oracleDigits(p.s)
			if p.afterNumber && strings.Trim(p.gap, ".,:") != "" {
				p.suffix = append(p.suffix, oracleToken{class: oracleRevision})
			}
			p.suffix = append(p.suffix, oracleToken{class: oracleNumber, text: oracleTrimZeros(p.s[:n])})
			p.s, p.afterNumber, first = p.s[n:], true, false
		default:
			p.readWord(first)
			first = len(p.suffix) == 0
		}
	}
}

// skipGap skips separators.
func (p *oracleParser) skipGap() {
	n := oracleSeparators(p.s)
	p.gap, p.s = p.s[:n], p.s[n:]
}

// readBracket reads a bracket into the tie. Of a bracket that begins with a pre-release word it skips the opening
// bracket only, so that the content is read as part of the suffix.
func (p *oracleParser) readBracket() {
	closing := ")"
	if p.s[0] == '[' {
		closing = "]"
	}
	inside := p.s[1:]
	word := strings.TrimLeft(inside, " ")
	word = word[:oracleWordLength(word)]
	if _, known := oraclePreWords[word]; known && len(word) > 1 {
		p.s = inside
		return
	}
	inside, p.s, _ = strings.Cut(inside, closing)
	p.tie = append(p.tie, oracleTieTokens(inside)...)
}

// readWord reads a word of the suffix. first reports whether nothing that counts is between it and the release.
func (p *oracleParser) readWord(first bool) {
	word := p.s[:oracleWordLength(p.s)]
	afterNumber := p.afterNumber
	p.s, p.afterNumber = p.s[len(word):], false

	gap := oracleSeparators(p.s)
	next := p.s[gap:]
	numberFollows := oracleDigits(next) > 0
	switch {
	case oracleArchitectures[word]:
		p.addNeutral(word, afterNumber)
	case first && gap == 0 && numberFollows && p.preLetter(word):
		p.addPre(oraclePreLetters[word])
	case p.readPreWord(word, next):
	case oracleQualifier(word, next):
		p.afterNumber = afterNumber
	case oracleNeutralWords[word] && !numberFollows:
		p.addNeutral(word, afterNumber)
	default:
		p.readPostWord(word, next, first)
	}
}

// readPreWord reads a word of a pre-release, and reports whether word is one. next is the text after it.
func (p *oracleParser) readPreWord(word, next string) bool {
	canonical, ok := oraclePreWords[word]
	if !ok {
		return false
	}
	if word == "pre" && next[:oracleWordLength(next)] == "alpha" {
		p.s = next[len("alpha"):]
		canonical = oraclePreWords["prealpha"]
	}
	p.addPre(canonical)
	return true
}

// oracleQualifier reports whether a word only qualifies the pre-release word after it, as in "public beta" and "public
// (beta 2)".
func oracleQualifier(word, next string) bool {
	nextWord := next[:oracleWordLength(next)]
	if nextWord == "" && next != "" && (next[0] == '(' || next[0] == '[') {
		inside := strings.TrimLeft(next[1:], " ")
		nextWord = inside[:oracleWordLength(inside)]
	}
	_, ok := oraclePreWords[nextWord]
	return ok && utf8.RuneCountInString(word) > 1
}

// readPostWord reads a word that is above the release. As in semantic versions, an unknown word is below the release
// if it follows exactly three numbers and a hyphen: 1.0.0-foo.1 is below 1.0.0.
func (p *oracleParser) readPostWord(word, next string, first bool) {
	if word == "service" && next[:oracleWordLength(next)] == "pack" {
		word = "sp"
		p.s = next[len("pack"):]
	}
	canonical, known := oraclePostWords[word]
	if !known {
		canonical = word
		if first && p.gap == "-" && p.written == 3 && utf8.RuneCountInString(word) > 1 && !oracleNeutralWords[word] {
			p.addPre(oraclePreWord{oracleSemverRank, word})
			return
		}
	}
	p.suffix = append(p.suffix, oracleToken{class: oraclePost, text: canonical})
}

// addNeutral adds a word that only breaks ties. It does not separate two numbers.
func (p *oracleParser) addNeutral(word string, afterNumber bool) {
	p.tie = append(p.tie, oracleToken{class: oraclePost, text: word})
	p.afterNumber = afterNumber
}

func (p *oracleParser) addPre(w oraclePreWord) {
	p.suffix = append(p.suffix, oracleToken{class: oraclePre, rank: w.rank, text: w.text})
}

// preLetter reports whether letters mark a pre-release, as in 1.0b3. They are the first of the suffix, and a number
// follows them directly.
func (p *oracleParser) preLetter(word string) bool {
	switch word {
	case "a", "b", "fc":
		return true
	case "m":
		return p.gap != ""
	case "d":
		return p.gap == "" && p.written >= 2
	}
	return false
}

// oracleTieTokens parses text that only breaks ties.
func oracleTieTokens(s string) []oracleToken {
	var tokens []oracleToken
	for s != "" {
		n := oracleDigits(s)
		if n > 0 {
			tokens = append(tokens, oracleToken{class: oracleNumber, text: oracleTrimZeros(s[:n])})
		} else if n = oracleWordLength(s); n > 0 {
			tokens = append(tokens, oracleToken{class: oraclePost, text: s[:n]})
		} else {
			_, n = utf8.DecodeRuneInString(s)
		}
		s = s[n:]
	}
	return tokens
}

// oracleDigits counts the oracleDigits at the start of s.
func oracleDigits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// oracleSeparators counts the bytes at the start of s that are neither letters nor digits, brackets nor plus signs.
func oracleSeparators(s string) int {
	n := 0
	for n < len(s) && s[n] < utf8.RuneSelf && !oracleLetterOrDigit(s[n]) && s[n] != '+' && s[n] != '(' && s[n] != '[' {
		n++
	}
	return n
}

func oracleLetterOrDigit(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

// oracleWordLength returns the length of the word at the start of s: letters, or the name of an architecture with its
// digits.
func oracleWordLength(s string) int {
	n := 0
	for n < len(s) && ('a' <= s[n] && s[n] <= 'z' || s[n] >= utf8.RuneSelf) {
		n++
	}
	if n < len(s) && n <= oracleMaxArchitectureLetters {
		for _, name := range oracleArchitecturesWithDigits {
			if strings.HasPrefix(s, name) &&
				(len(s) == len(name) || !oracleLetterOrDigit(s[len(name)]) && s[len(name)] < utf8.RuneSelf) {
				return len(name)
			}
		}
	}
	return n
}

func oracleTrimZeros(s string) string { return strings.TrimLeft(s, "0") }
