package patch

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A class is the kind of a token in a suffix. Their order is that of tokens at
// one position, before any pre-release token.
type class int8

const (
	pre      class = iota - 1 // a word of a pre-release
	end                       // the zero token: nothing there
	revision                  // a number follows a number, but not by a dot
	post                      // any other word
	number
)

type token struct {
	class class
	rank  int8   // of a pre-release word
	text  string // a word, or a number without leading zeros
}

// normalise brings what means the same to one form: lower case, ASCII digits
// and dashes, a space for what is neither ASCII nor a letter, nothing for what
// has no width.
func normalise(s string) string {
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

// A parser takes a normalised version string apart, from left to right.
type parser struct {
	Version
	text string
	s    string // what is left
	// whether the last token was a number, and what separates it from the next
	afterNumber bool
	gap         string
}

func (p *parser) parse(s string) {
	p.Version.text = p.text
	p.s = s
	if !p.skipLead() {
		p.nodigit = strings.Join(strings.Fields(s), " ")
		p.lead = ""
		return
	}
	p.readRelease()
	p.readSuffix()
}

// skipLead skips to the first digit that is not part of an architecture's name,
// and reports whether there is one. Words passed go to lead, but for v and its
// like.
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

// readRelease reads the numbers joined by dots, commas or colons.
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

// readSuffix reads the words and numbers behind the release.
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

// skipGap passes what is neither word nor number, bracket nor plus sign.
func (p *parser) skipGap() {
	n := separators(p.s)
	p.gap, p.s = p.s[:n], p.s[n:]
}

// readBracket puts what stands in brackets into the tie. A bracket that begins
// with a word of a pre-release is opened only, and its content read in place.
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

// readWord reads a word of the suffix and says what it means. first: nothing
// that counts stands between it and the release.
func (p *parser) readWord(first bool) {
	word := p.s[:wordLength(p.s)]
	rest := p.s[len(word):]
	p.s = rest
	afterNumber := p.afterNumber
	p.afterNumber = false

	nextGap := separators(rest)
	next := rest[nextGap:]
	numberFollows := digits(next) > 0
	switch {
	case architectures[word]:
		p.tie = append(p.tie, token{class: post, text: word})
		p.afterNumber = afterNumber
		return
	case first && nextGap == 0 && numberFollows && p.preLetter(word):
		p.addPre(preLetters[word])
		return
	}
	if canonical, ok := preWords[word]; ok {
		if word == "pre" && strings.HasPrefix(next, "alpha") && wordLength(next) == len("alpha") {
			p.s = next[len("alpha"):]
			canonical = preWords["prealpha"]
		}
		p.addPre(canonical)
		return
	}
	nextWord := next[:wordLength(next)]
	if nextWord == "" && next != "" && (next[0] == '(' || next[0] == '[') { // as in "public (beta 2)"
		inside := strings.TrimLeft(next[1:], " ")
		nextWord = inside[:wordLength(inside)]
	}
	if _, ok := preWords[nextWord]; ok && utf8.RuneCountInString(word) > 1 {
		p.afterNumber = afterNumber
		return // a qualifier, as in "public beta"
	}
	if neutralWords[word] && !numberFollows {
		p.tie = append(p.tie, token{class: post, text: word})
		p.afterNumber = afterNumber
		return
	}
	if word == "service" && nextWord == "pack" {
		word = "sp"
		p.s = next[len("pack"):]
	}
	canonical, known := postWords[word]
	if !known {
		canonical = word
		if first && p.gap == "-" && p.written == 3 && utf8.RuneCountInString(word) > 1 && !neutralWords[word] {
			p.addPre(preWord{3, word}) // semver: 1.0.0-foo.1 is below 1.0.0
			return
		}
	}
	p.suffix = append(p.suffix, token{class: post, text: canonical})
}

func (p *parser) addPre(w preWord) {
	p.suffix = append(p.suffix, token{class: pre, rank: w.rank, text: w.text})
}

// preLetter reports whether letters that a number follows directly, and that are
// the first of the suffix, are a pre-release as in 1.0b3.
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

// tieTokens takes apart what only breaks ties.
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

// separators counts the bytes at the start of s that are neither letters nor
// digits, nor open a bracket or the build metadata.
func separators(s string) int {
	n := 0
	for n < len(s) && s[n] < utf8.RuneSelf && !isLetterOrDigit(s[n]) && s[n] != '+' && s[n] != '(' && s[n] != '[' {
		n++
	}
	return n
}

func isLetterOrDigit(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

// wordLength returns the length of the word at the start of s: letters, or the
// name of an architecture with its digits.
func wordLength(s string) int {
	n := 0
	for n < len(s) && ('a' <= s[n] && s[n] <= 'z' || s[n] >= utf8.RuneSelf) {
		n++
	}
	if n < len(s) && n <= longestArchitectureWord {
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
