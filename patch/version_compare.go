package patch

import "cmp"

// compareStrings compares two versions part by part, and scans no further than the first difference. longer is
// positive if a has more numbers than b, negative if it has fewer; it counts only if the versions are the same. It
// allocates only for a string that has characters beyond ASCII and is longer than 32 bytes when normalized.
func compareStrings(a, b string) (order, longer int) {
	if !isASCII(a) || !isASCII(b) {
		return compareNormalized(a, b)
	}
	x, y := scanner{text: a}, scanner{text: b}
	return compareScanned(&x, &y)
}

// compareNormalized is compareStrings for characters beyond ASCII.
func compareNormalized(a, b string) (order, longer int) {
	var bufferA, bufferB [128]byte
	textA, textB := appendNormalized(bufferA[:0], a), appendNormalized(bufferB[:0], b)
	x, y := scanner{text: string(textA)}, scanner{text: string(textB)}
	return compareScanned(&x, &y)
}

func compareScanned(a, b *scanner) (order, longer int) {
	switch hasA, hasB := a.skipLead(), b.skipLead(); {
	case !hasA && !hasB:
		return compareCollapsed(a.text, b.text), 0
	case !hasA:
		return -1, 0
	case !hasB:
		return 1, 0
	}
	leads := a.at + b.at
	order = compareReleases(a, b)
	if order != 0 || a.at == len(a.text) && b.at == len(b.text) && leads == 0 {
		return order, cmp.Compare(a.written, b.written)
	}
	order = compareSuffixes(a, b)
	if order == 0 && (a.hasTies() || b.hasTies()) {
		order = compareTies(a, b)
	}
	if order == 0 && leads > 0 {
		order = compareLeads(a, b)
	}
	return order, cmp.Compare(a.written, b.written)
}

// compareCollapsed compares texts without a digit. White space at their ends does not count, and between words it
// counts as one space.
func compareCollapsed(a, b string) int {
	for i, j := 0, 0; ; {
		var x, y int
		x, i = collapsed(a, i)
		y, j = collapsed(b, j)
		if x != y || x < 0 {
			return cmp.Compare(x, y)
		}
	}
}

// collapsed returns the character at an offset and the offset after it. The character is a space for all white space
// there, and negative at the end.
func collapsed(text string, at int) (character, next int) {
	for next = at; next < len(text) && isSpace(text[next]); {
		next++
	}
	switch {
	case next == len(text):
		return -1, next
	case next > at && at > 0:
		return ' ', next
	}
	return int(lower[text[next]]), next + 1
}

func isSpace(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' }

func compareReleases(a, b *scanner) int {
	for moreA, moreB := true, true; moreA || moreB; {
		var x, y string // a missing number is zero
		if moreA {
			x, moreA = a.releaseNumber()
		}
		if moreB {
			y, moreB = b.releaseNumber()
		}
		if c := compareNumber(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func compareSuffixes(a, b *scanner) int {
	afterPre := false // the same for both, because their tokens so far are equal
	for {
		x, y := a.suffixToken(), b.suffixToken()
		c := cmp.Compare(x.class.place(afterPre), y.class.place(afterPre))
		switch {
		case c != 0:
		case x.class == end:
			return 0
		case x.class == number:
			c = compareNumber(x.text, y.text)
		case afterPre || x.rank == y.rank:
			c = compareFold(x.text, y.text)
		default:
			c = cmp.Compare(x.rank, y.rank)
		}
		if c != 0 {
			return c
		}
		afterPre = afterPre || x.class == pre
	}
}

// compareTies compares what only breaks ties. It may be called when all tokens were scanned.
func compareTies(a, b *scanner) int {
	a.restartTies()
	b.restartTies()
	for {
		x, y := a.nextTie(), b.nextTie()
		c := cmp.Compare(x.class, y.class) // the end is below words, and words are below numbers
		switch {
		case c != 0:
		case x.class == end:
			return 0
		case x.class == number:
			c = compareNumber(x.text, y.text)
		default:
			c = compareFold(x.text, y.text)
		}
		if c != 0 {
			return c
		}
	}
}

// compareLeads compares the words before the first digit.
func compareLeads(a, b *scanner) int {
	a.at, b.at = 0, 0
	for {
		x, y := a.leadWord(), b.leadWord()
		if c := compareFold(x, y); c != 0 || x == "" {
			return c
		}
	}
}
