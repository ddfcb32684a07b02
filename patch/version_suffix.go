package patch

// suffixToken scans the next token of the suffix. At its end, the class is end.
func (s *scanner) suffixToken() token {
	for {
		if t := s.next(); t.class != tie {
			return t
		}
	}
}

// next scans the next token after the release. The class tie means that s.tie only breaks ties. At the end of the
// suffix, the class is end.
func (s *scanner) next() token {
	for {
		gap := s.at
		s.at = s.gapEnd(gap)
		switch s.kind(s.at) {
		case letter:
			if word := s.word(gap); word.class != end {
				s.counts = s.counts || word.class != tie
				return word
			}
		case digit:
			s.counts = true
			if s.afterNumber && !s.pointsOnly(gap, s.at) {
				s.afterNumber = false
				return token{class: revision}
			}
			var text string
			text, s.at = s.number(s.at)
			s.afterNumber = true
			return token{class: number, text: text}
		case bracket:
			if inside, ok := s.bracket(); ok {
				return inside
			}
		case plus:
			s.plus = s.at + 1
			return token{}
		default: // the end of the text
			return token{}
		}
	}
}

// bracket scans a bracket. Of one that begins with a pre-release word it skips the opening bracket only, so that the
// content is scanned as part of the suffix; ok is false then.
func (s *scanner) bracket() (inside token, ok bool) {
	closing := byte(')')
	if s.text[s.at] == '[' {
		closing = ']'
	}
	s.at++
	from := s.at
	begin := s.spacesEnd(from)
	end := s.wordEnd(begin)
	if end-begin > 1 && wordOf(s.text[begin:end]).class == pre {
		return token{}, false
	}
	to := from
	for to < len(s.text) && s.text[to] != closing {
		to++
	}
	s.at = min(to+1, len(s.text))
	return s.tieToken(from, to), true
}

// word scans a word of the suffix. gap is the offset of the separators before it. The class is end if the word does
// not count.
func (s *scanner) word(gap int) token {
	from, to := s.at, s.wordEnd(s.at)
	text := s.text[from:to]
	next := s.gapEnd(to)
	numberFollows := s.kind(next) == digit
	architecture := kinds[text[len(text)-1]] == digit
	s.at = to
	if numberFollows && next == to && !architecture && !s.counts {
		if w, ok := s.preLetter(text, gap < from); ok {
			s.afterNumber = false
			return w
		}
	}
	known := wordOf(text)
	switch {
	case architecture:
		return s.tieToken(from, to) // it does not separate two numbers
	case known.class == pre:
		return s.preWord(known, next)
	case s.preFollows(next) && !singleRune(text): // a qualifier, as in "public beta" and "public (beta 2)"
		return token{}
	case known.class == tie && !numberFollows:
		return s.tieToken(from, to)
	}
	s.afterNumber = false
	return s.postWord(known, text, gap, next)
}

// preWord returns the token of a known word of a pre-release. next is the offset of what follows.
func (s *scanner) preWord(known token, next int) token {
	s.afterNumber = false
	if known.text == "pre" && equalFold(s.wordAt(next), "alpha") {
		s.at = next + len("alpha")
		return wordOf("prealpha")
	}
	return known
}

// postWord returns the token of a word that is above the release, or of an identifier as in semantic versions.
func (s *scanner) postWord(known token, text string, gap, next int) token {
	switch {
	case known.class == post:
		return known
	case equalFold(text, "service") && equalFold(s.wordAt(next), "pack"):
		s.at = next + len("pack")
		return wordOf("sp")
	case known.class != tie && s.afterHyphen(gap) && !singleRune(text):
		return token{class: pre, rank: semverRank, text: text}
	}
	return token{class: post, text: text}
}

// afterHyphen reports whether an unknown word is below the release, as in semantic versions: it follows exactly three
// numbers and a hyphen, as in 1.0.0-foo.1. gap is the offset of the separators before the word.
func (s *scanner) afterHyphen(gap int) bool {
	return !s.counts && s.written == 3 && s.text[gap] == '-' && s.gapEnd(gap) == gap+1
}

// preFollows reports whether a pre-release word is at an offset, perhaps in a bracket.
func (s *scanner) preFollows(at int) bool {
	if s.kind(at) == bracket {
		at = s.spacesEnd(at + 1)
	}
	return s.kind(at) == letter && wordOf(s.wordAt(at)).class == pre
}

// preLetter returns the word that letters stand for if they mark a pre-release, as in 1.0b3. They are the first of the
// suffix, and a number follows them directly. separated reports whether there is a separator before them.
func (s *scanner) preLetter(letters string, separated bool) (word token, ok bool) {
	switch first := lower[letters[0]]; {
	case len(letters) > 2:
	case len(letters) == 2:
		return wordOf("rc"), equalFold(letters, "fc")
	case first == 'a':
		return wordOf("alpha"), true
	case first == 'b':
		return wordOf("beta"), true
	case first == 'm':
		return wordOf("milestone"), separated
	case first == 'd':
		return wordOf("dev"), !separated && s.written >= 2
	}
	return token{}, false
}
