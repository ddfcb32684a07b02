package envelope

import (
	"errors"
	"fmt"
)

const (
	// maxDepth is the maximum nesting of an envelope. An honest one needs about 15, most of it for the names in the
	// certificates.
	maxDepth = 40
	// maxElements is the maximum number of elements. Ten megabytes in pieces of a thousand bytes are 10,000, and each
	// element costs the parser a hundred bytes.
	maxElements = 100_000
)

// errTruncated means that BER ends within an element.
var errTruncated = errors.New("it ends too early")

// checkShape walks over BER before the parser does, which recurses and allocates as the data demands: untrusted data
// must not exhaust the stack or the memory. checkShape itself keeps no more than the ends of the open elements.
func checkShape(ber []byte) error {
	s := shape{ber: ber}
	for elements := 0; ; elements++ {
		if err := s.closeElements(); err != nil {
			return err
		}
		if elements > 0 && len(s.open) == 0 {
			break
		}
		if elements == maxElements {
			return fmt.Errorf("it has more than %d elements", maxElements)
		}
		if err := s.openElement(); err != nil {
			return err
		}
	}
	if rest := len(ber) - s.pos; rest > 0 {
		return fmt.Errorf("%d bytes follow it", rest)
	}
	return nil
}

// A shape is the state of a walk over BER.
type shape struct {
	ber  []byte
	pos  int
	open []int // the ends of the open elements; 0 for those of indefinite length
	// first reports whether the next element is the first one of the innermost open element.
	first bool
}

// closeElements closes the open elements that end at the current position.
func (s *shape) closeElements() error {
	for ; len(s.open) > 0; s.open = s.open[:len(s.open)-1] {
		switch end := s.open[len(s.open)-1]; {
		case end > 0 && s.pos > end:
			return errors.New("an element is longer than the one that contains it")
		case end > 0 && s.pos < end:
			return nil
		case end > 0:
		case !endOfContents(s.ber[s.pos:]):
			return nil
		case s.first:
			// The parser reads an element before it looks for the end, and so takes what follows for the contents.
			return errors.New("an element of indefinite length is empty")
		default:
			s.pos += endOfContentsLength
		}
		s.first = false
	}
	return nil
}

// openElement reads the header of the next element, and skips the contents of one that has no elements.
func (s *shape) openElement() error {
	constructed, length, size, err := header(s.ber[s.pos:])
	if err != nil {
		return err
	}
	if s.ber[s.pos] == 0 {
		return errors.New("an end-of-contents is not in an element of indefinite length")
	}
	s.first = constructed
	s.pos += size
	if length > len(s.ber)-s.pos {
		return errTruncated
	}
	switch {
	case !constructed:
		s.pos += length
		return nil
	case length < 0:
		s.open = append(s.open, 0)
	default:
		s.open = append(s.open, s.pos+length)
	}
	if len(s.open) > maxDepth {
		return fmt.Errorf("it is nested deeper than %d levels", maxDepth)
	}
	return nil
}

// endOfContentsLength is the length of what ends an element of indefinite length.
const endOfContentsLength = 2

func endOfContents(ber []byte) bool {
	return len(ber) >= endOfContentsLength && ber[0] == 0 && ber[1] == 0
}

// header reads the tag and the length of an element. size is the number of bytes that they take. A negative length is
// indefinite.
func header(ber []byte) (constructed bool, length, size int, err error) {
	if len(ber) < 2 {
		return false, 0, 0, errTruncated
	}
	constructed = ber[0]&0x20 != 0
	size = 1
	if ber[0]&0x1f == 0x1f { // the tag has more bytes
		for size < len(ber) && ber[size]&0x80 != 0 {
			size++
		}
		size++
		if size >= len(ber) {
			return false, 0, 0, errTruncated
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
		return false, 0, 0, errors.New("a primitive element has an indefinite length")
	case n > 4 || size+n > len(ber):
		return false, 0, 0, errors.New("a length is too long")
	default:
		for _, b := range ber[size : size+n] {
			length = length<<8 | int(b)
		}
		return constructed, length, size + n, nil
	}
}
