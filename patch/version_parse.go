package patch

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A class is the kind of a token in a suffix. The order of the constants is that of tokens at one position, unless a
// pre-release token precedes them.
type class int8

const (
	pre      class = iota - 1 // a word of a pre-release
	end                       // the zero token: the end of the suffix
	revision                  // a number follows a number, but not after a dot
	post                      // any other word
	number
)

type token struct {
	class class
	rank  int8   // of a pre-release word
	text  string // a word, or a number without leading zeros
}

// normalize returns one form of what means the same: lower case, ASCII digits and dashes, a space for other characters
// that are neither ASCII nor letters, nothing for those without width.
func normalize(s string) string {
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

// A parser parses a normalized version string from left to right.
type parser struct {
	Version
	s           string // the rest
	afterNumber bool   // whether the last token was a number
	gap         string // the separators after the last token
}

func (p *parser) parse() {
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
func (p *parser) skipLead() bool {
	var lead []string
	for p.s != "" {
		if digits(p.s) > 0 {
			p.lead = strings.Join(lead, " ")
			return true
		}
		n := wordLength(p.s)
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
func (p *parser) readRelease() {
	for {
		n := digits(p.s)
		p.release = append(p.release, trimZeros(p.s[:n]))
		p.s = p.s[n:]
		if p.s == "" || !strings.ContainsRune(".,:", rune(p.s[0])) {
			break
		}
		next := strings.TrimLeft(p.s[1:], " ")
		if digits(next) == 0 {
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
func (p *parser) readSuffix() {
	first := true
	for {
		p.skipGap()
		switch {
		case p.s == "":
			return
		case p.s[0] == '+':
			p.tie = append(tieTokens(p.s[1:]), p.tie...)
			return
		case p.s[0] == '(' || p.s[0] == '[':
			p.readBracket()
		case digits(p.s) > 0:
			n := digits(p.s)
			if p.afterNumber && strings.Trim(p.gap, ".,:") != "" {
				p.suffix = append(p.suffix, token{class: revision})
			}
			p.suffix = append(p.suffix, token{class: number, text: trimZeros(p.s[:n])})
			p.s, p.afterNumber, first = p.s[n:], true, false
		default:
			p.readWord(first)
			first = len(p.suffix) == 0
		}
	}
}

// skipGap skips separators.
func (p *parser) skipGap() {
	n := separators(p.s)
	p.gap, p.s = p.s[:n], p.s[n:]
}

// readBracket reads a bracket into the tie. Of a bracket that begins with a pre-release word it skips the opening
// bracket only, so that the content is read as part of the suffix.
func (p *parser) readBracket() {
	closing := ")"
	if p.s[0] == '[' {
		closing = "]"
	}
	inside := p.s[1:]
	word := strings.TrimLeft(inside, " ")
	word = word[:wordLength(word)]
	if _, known := preWords[word]; known && len(word) > 1 {
		p.s = inside
		return
	}
	inside, p.s, _ = strings.Cut(inside, closing)
	p.tie = append(p.tie, tieTokens(inside)...)
}

// readWord reads a word of the suffix. first reports whether nothing that counts is between it and the release.
func (p *parser) readWord(first bool) {
	word := p.s[:wordLength(p.s)]
	afterNumber := p.afterNumber
	p.s, p.afterNumber = p.s[len(word):], false

	gap := separators(p.s)
	next := p.s[gap:]
	numberFollows := digits(next) > 0
	switch {
	case architectures[word]:
		p.addNeutral(word, afterNumber)
	case first && gap == 0 && numberFollows && p.preLetter(word):
		p.addPre(preLetters[word])
	case p.readPreWord(word, next):
	case isQualifier(word, next):
		p.afterNumber = afterNumber
	case neutralWords[word] && !numberFollows:
		p.addNeutral(word, afterNumber)
	default:
		p.readPostWord(word, next, first)
	}
}

// readPreWord reads a word of a pre-release, and reports whether word is one. next is the text after it.
func (p *parser) readPreWord(word, next string) bool {
	canonical, ok := preWords[word]
	if !ok {
		return false
	}
	if word == "pre" && next[:wordLength(next)] == "alpha" {
		p.s = next[len("alpha"):]
		canonical = preWords["prealpha"]
	}
	p.addPre(canonical)
	return true
}

// isQualifier reports whether a word only qualifies the pre-release word after it, as in "public beta" and "public
// (beta 2)".
func isQualifier(word, next string) bool {
	nextWord := next[:wordLength(next)]
	if nextWord == "" && next != "" && (next[0] == '(' || next[0] == '[') {
		inside := strings.TrimLeft(next[1:], " ")
		nextWord = inside[:wordLength(inside)]
	}
	_, ok := preWords[nextWord]
	return ok && utf8.RuneCountInString(word) > 1
}

// readPostWord reads a word that is above the release. As in semantic versions, an unknown word is below the release
// if it follows exactly three numbers and a hyphen: 1.0.0-foo.1 is below 1.0.0.
func (p *parser) readPostWord(word, next string, first bool) {
	if word == "service" && next[:wordLength(next)] == "pack" {
		word = "sp"
		p.s = next[len("pack"):]
	}
	canonical, known := postWords[word]
	if !known {
		canonical = word
		if first && p.gap == "-" && p.written == 3 && utf8.RuneCountInString(word) > 1 && !neutralWords[word] {
			p.addPre(preWord{semverRank, word})
			return
		}
	}
	p.suffix = append(p.suffix, token{class: post, text: canonical})
}

// addNeutral adds a word that only breaks ties. It does not separate two numbers.
func (p *parser) addNeutral(word string, afterNumber bool) {
	p.tie = append(p.tie, token{class: post, text: word})
	p.afterNumber = afterNumber
}

func (p *parser) addPre(w preWord) {
	p.suffix = append(p.suffix, token{class: pre, rank: w.rank, text: w.text})
}

// preLetter reports whether letters mark a pre-release, as in 1.0b3. They are the first of the suffix, and a number
// follows them directly.
func (p *parser) preLetter(word string) bool {
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

// tieTokens parses text that only breaks ties.
func tieTokens(s string) []token {
	var tokens []token
	for s != "" {
		n := digits(s)
		if n > 0 {
			tokens = append(tokens, token{class: number, text: trimZeros(s[:n])})
		} else if n = wordLength(s); n > 0 {
			tokens = append(tokens, token{class: post, text: s[:n]})
		} else {
			_, n = utf8.DecodeRuneInString(s)
		}
		s = s[n:]
	}
	return tokens
}

// digits counts the digits at the start of s.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// separators counts the bytes at the start of s that are neither letters nor digits, brackets nor plus signs.
func separators(s string) int {
	n := 0
	for n < len(s) && s[n] < utf8.RuneSelf && !isLetterOrDigit(s[n]) && s[n] != '+' && s[n] != '(' && s[n] != '[' {
		n++
	}
	return n
}

func isLetterOrDigit(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

// wordLength returns the length of the word at the start of s: letters, or the name of an architecture with its digits.
func wordLength(s string) int {
	n := 0
	for n < len(s) && ('a' <= s[n] && s[n] <= 'z' || s[n] >= utf8.RuneSelf) {
		n++
	}
	if n < len(s) && n <= maxArchitectureLetters {
		for _, name := range architecturesWithDigits {
			if strings.HasPrefix(s, name) &&
				(len(s) == len(name) || !isLetterOrDigit(s[len(name)]) && s[len(name)] < utf8.RuneSelf) {
				return len(name)
			}
		}
	}
	return n
}

func trimZeros(s string) string { return strings.TrimLeft(s, "0") }
