package patch

// tieToken records an interval that only breaks ties, and returns the token for it.
func (s *scanner) tieToken(from, to int) token {
	if s.ties < len(s.firstTies) {
		s.firstTies[s.ties] = interval{from, to}
	}
	s.ties++
	s.tie = interval{from, to}
	return token{class: tie}
}

// restartTies prepares nextTie, which scans what only breaks ties: what follows a plus sign, then the rest. The caller
// must have scanned all tokens.
func (s *scanner) restartTies() {
	s.tie = interval{}
	if s.plus > 0 {
		s.tie = interval{s.plus, len(s.text)}
	}
	if s.ties > len(s.firstTies) {
		s.at, s.counts, s.afterNumber = s.suffix, false, true
	}
}

// nextTie scans the next word or number of what only breaks ties. At the end, the class is end.
func (s *scanner) nextTie() token {
	for {
		for ; s.tie.from < s.tie.to; s.tie.from++ {
			switch from := s.tie.from; kinds[s.text[from]] {
			case digit:
				var text string
				text, s.tie.from = s.number(from)
				return token{class: number, text: text}
			case letter:
				s.tie.from = s.wordEnd(from)
				return token{class: post, text: s.text[from:s.tie.from]}
			}
		}
		if !s.advanceTie() {
			return token{}
		}
	}
}

// advanceTie goes to the next interval that only breaks ties, and reports whether there is one.
func (s *scanner) advanceTie() bool {
	if s.ties <= len(s.firstTies) {
		if s.nextOfFirst == s.ties {
			return false
		}
		s.tie = s.firstTies[s.nextOfFirst]
		s.nextOfFirst++
		return true
	}
	for {
		switch s.next().class {
		case tie:
			return true
		case end:
			return false
		}
	}
}

// hasTies reports whether something that only breaks ties was scanned.
func (s *scanner) hasTies() bool { return s.ties > 0 || s.plus > 0 }
