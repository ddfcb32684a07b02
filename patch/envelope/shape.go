package envelope

import (
	"errors"
	"fmt"
)

const (
	// maxDepth is how deep an envelope may be nested. One that is honest needs
	// about 15, of which the names in the certificates take the most.
	maxDepth = 40
	// maxElements is how many elements it may have. Ten megabytes in pieces of a
	// thousand bytes are 10,000, and each costs the parser a hundred bytes.
	maxElements = 100_000
)

// checkShape walks over BER before the parser does, which recurses and allocates as
// the data says: what a stranger has sent must not exhaust the stack or the
// memory. It keeps no more than the places where the open elements end.
func checkShape(ber []byte) error {
	// Where the open elements end; 0: at their end-of-contents.
	var open []int
	first := false // what comes next is the first in the innermost one
	pos, elements := 0, 0
	for {
		for len(open) > 0 {
			end := open[len(open)-1]
			switch {
			case end > 0 && pos > end:
				return errors.New("an element is longer than what it is in")
			case end > 0 && pos < end, end == 0 && !endOfContents(ber[pos:]):
			default:
				if end == 0 {
					// The parser reads an element before it looks for the end, and so
					// takes what follows an empty one for its contents.
					if first {
						return errors.New("an element of indefinite length is empty")
					}
					pos += 2
				}
				first = false
				open = open[:len(open)-1]
				continue
			}
			break
		}
		if elements > 0 && len(open) == 0 {
			if pos != len(ber) {
				return fmt.Errorf("%d bytes follow it", len(ber)-pos)
			}
			return nil
		}
		if elements++; elements > maxElements {
			return fmt.Errorf("it has more than %d elements", maxElements)
		}
		constructed, length, size, err := header(ber[pos:])
		if err != nil {
			return err
		}
		if ber[pos] == 0 {
			return errors.New("an end-of-contents ends nothing")
		}
		first = false
		pos += size
		if length > len(ber)-pos {
			return errors.New("it ends too early")
		}
		switch {
		case !constructed:
			pos += length
			continue
		case length < 0:
			open = append(open, 0)
		default:
			open = append(open, pos+length)
		}
		first = true
		if len(open) > maxDepth {
			return fmt.Errorf("it is nested deeper than %d", maxDepth)
		}
	}
}

func endOfContents(ber []byte) bool { return len(ber) >= 2 && ber[0] == 0 && ber[1] == 0 }

// header reads the tag and the length of an element; a length below 0 is
// indefinite.
func header(ber []byte) (constructed bool, length, size int, err error) {
	short := errors.New("it ends too early")
	if len(ber) < 2 {
		return false, 0, 0, short
	}
	constructed = ber[0]&0x20 != 0
	size = 1
	if ber[0]&0x1f == 0x1f { // the tag goes on
		for size < len(ber) && ber[size]&0x80 != 0 {
			size++
		}
		size++
		if size >= len(ber) {
			return false, 0, 0, short
		}
	}
	first := ber[size]
	size++
	switch n := int(first & 0x7f); {
	case first < 0x80:
		return constructed, int(first), size, nil
	case first == 0x80 && constructed:
		return constructed, -1, size, nil
	case first == 0x80:
		return false, 0, 0, errors.New("a primitive element has no length")
	case n > 4 || size+n > len(ber):
		return false, 0, 0, errors.New("a length is too long")
	default:
		for _, b := range ber[size : size+n] {
			length = length<<8 | int(b)
		}
		return constructed, length, size + n, nil
	}
}
