package patch

// An interval is a part of a text between two offsets.
type interval struct{ from, to int }

// A scanner splits a version string into the parts of its key, from left to right, without allocating.
type scanner struct {
	text        string // ASCII in any case, or normalized
	at          int    // the offset of the rest
	written     int    // the number of numbers in the release
	suffix      int    // the offset after the release
	plus        int    // the offset after a plus sign, where the suffix ends; 0 if there is none
	ties        int    // the number of intervals that only break ties, apart from what follows a plus sign
	firstTies   [4]interval
	tie         interval // the current or last one; while ties are scanned, the rest
	nextOfFirst int
	counts      bool // whether a token of the suffix was scanned
	afterNumber bool // whether the last token was a number
}

// skipLead skips to the first digit that is not part of an architecture's name, and reports whether there is one.
func (s *scanner) skipLead() bool {
	for s.at < len(s.text) {
		switch kinds[s.text[s.at]] {
		case digit:
			return true
		case letter:
			s.at = s.wordEnd(s.at)
		default:
			s.at++
		}
	}
	return false
}

// leadWord skips to the next word before the first digit, apart from v, ver and version, and returns it.
func (s *scanner) leadWord() (word string) {
	for s.at < len(s.text) {
		switch kinds[s.text[s.at]] {
		case digit:
			return ""
		case letter:
			word = s.text[s.at:s.wordEnd(s.at)]
			s.at += len(word)
			if !equalFold(word, "v") && !equalFold(word, "ver") && !equalFold(word, "version") {
				return word
			}
		default:
			s.at++
		}
	}
	return ""
}

// releaseNumber scans a number of the release. more reports whether another one follows.
func (s *scanner) releaseNumber() (number string, more bool) {
	number, s.at = s.number(s.at)
	s.written++
	if s.at < len(s.text) && kinds[s.text[s.at]] == point {
		if next := s.spacesEnd(s.at + 1); s.kind(next) == digit {
			s.at = next
			return number, true
		}
	}
	s.suffix = s.at
	s.afterNumber = true
	return number, false
}

// number returns the number at an offset, without leading zeros, and its end.
func (s *scanner) number(at int) (number string, end int) {
	for at < len(s.text) && s.text[at] == '0' {
		at++
	}
	end = at
	for end < len(s.text) && kinds[s.text[end]] == digit {
		end++
	}
	return s.text[at:end], end
}

// kind returns the kind of the byte at an offset, or none at the end.
func (s *scanner) kind(at int) kind {
	if at < len(s.text) {
		return kinds[s.text[at]]
	}
	return none
}

// gapEnd returns the end of the separators at an offset.
func (s *scanner) gapEnd(at int) int {
	for at < len(s.text) && kinds[s.text[at]] <= point {
		at++
	}
	return at
}

// spacesEnd returns the end of the spaces at an offset.
func (s *scanner) spacesEnd(at int) int {
	for at < len(s.text) && s.text[at] == ' ' {
		at++
	}
	return at
}

// pointsOnly reports whether the separators between two offsets are those between the numbers of a release.
func (s *scanner) pointsOnly(from, to int) bool {
	for ; from < to; from++ {
		if kinds[s.text[from]] != point {
			return false
		}
	}
	return true
}

// wordAt returns the word at an offset.
func (s *scanner) wordAt(at int) string { return s.text[at:s.wordEnd(at)] }

// wordEnd returns the end of the word at an offset: letters, or the name of an architecture with its digits.
func (s *scanner) wordEnd(at int) int {
	end := at
	for end < len(s.text) && kinds[s.text[end]] == letter {
		end++
	}
	if n := end - at; n > 0 && n <= maxArchitectureLetters && s.kind(end) == digit {
		for _, name := range architectures {
			if len(s.text)-at >= len(name) && equalFold(s.text[at:at+len(name)], name) &&
				s.kind(at+len(name)) != letter && s.kind(at+len(name)) != digit {
				return at + len(name)
			}
		}
	}
	return end
}
