package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/patchsource/patchsource/patch"
)

// Lengths and places of what a zip ends with (APPNOTE.TXT, sections 4.3.12 to 4.3.16).
const (
	headerLength  = 46      // of a header of the directory, without its name and more
	endLength     = 22      // of the end of the directory, without its comment
	maxComment    = 1 << 16 // of it
	locatorLength = 20      // of what says where the end of a zip64's directory is
	end64Length   = 56
)

// checkDirectory counts the headers of a zip's directory before it is read: that takes
// memory for each, whatever the zip says of their number. It looks wherever a reader may
// find the directory.
func checkDirectory(r io.ReaderAt, size int64, maxMembers int) error {
	n := min(size, endLength+maxComment)
	tail := make([]byte, n)
	if _, err := r.ReadAt(tail, size-n); err != nil && err != io.EOF {
		return fmt.Errorf("%w: %w", ErrNoArchive, err)
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || at+endLength > len(tail) {
		return ErrNoArchive
	}
	end := size - n + int64(at)
	length, offset := int64(binary.LittleEndian.Uint32(tail[at+12:])), int64(binary.LittleEndian.Uint32(tail[at+16:]))
	starts := []int64{offset, end - length}
	locator, end64 := make([]byte, locatorLength), make([]byte, end64Length)
	if _, err := r.ReadAt(locator, end-locatorLength); err == nil && bytes.HasPrefix(locator, []byte("PK\x06\x07")) {
		at64 := int64(binary.LittleEndian.Uint64(locator[8:]))
		if _, err := r.ReadAt(end64, at64); err == nil && bytes.HasPrefix(end64, []byte("PK\x06\x06")) {
			length, offset := int64(
				binary.LittleEndian.Uint64(end64[40:]),
			), int64(
				binary.LittleEndian.Uint64(end64[48:]),
			)
			starts = append(starts, offset, at64-length)
		}
	}
	for _, start := range starts {
		if start < 0 || start >= size {
			continue
		}
		if count(bufio.NewReader(io.NewSectionReader(r, start, size-start)), maxMembers+1) > maxMembers {
			return fmt.Errorf("%w: the archive has more than %d members", patch.ErrTooLarge, maxMembers)
		}
	}
	return nil
}

// count counts the headers of a directory that stand one after the other, up to most.
func count(r *bufio.Reader, most int) (n int) {
	header := make([]byte, headerLength)
	for n < most {
		if _, err := io.ReadFull(r, header); err != nil || !bytes.HasPrefix(header, []byte("PK\x01\x02")) {
			return n
		}
		n++
		more := int(
			binary.LittleEndian.Uint16(header[28:]),
		) + int(
			binary.LittleEndian.Uint16(header[30:]),
		) + int(
			binary.LittleEndian.Uint16(header[32:]),
		)
		if _, err := r.Discard(more); err != nil {
			return n
		}
	}
	return n
}
