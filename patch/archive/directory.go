package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/patchsource/patchsource/patch"
)

// Lengths of the parts of a zip's directory in bytes (APPNOTE.TXT, sections 4.3.12 to 4.3.16).
const (
	headerLength  = 46      // of a header, without the name and what follows it
	endLength     = 22      // of the end of the directory, without the comment
	maxComment    = 1 << 16 // of the comment
	locatorLength = 20      // of the record that locates the end of a zip64's directory
	end64Length   = 56      // of the end of a zip64's directory
)

// checkDirectory counts the headers of a zip's directory. zip.NewReader allocates memory for each, whatever number the
// zip claims to have. All places are examined at which a reader may find the directory.
func checkDirectory(r io.ReaderAt, size int64, maxMembers int) error {
	starts, err := directoryStarts(r, size)
	if err != nil {
		return err
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

// directoryStarts returns the offsets at which the directory may start. They may be outside the zip.
func directoryStarts(r io.ReaderAt, size int64) ([]int64, error) {
	n := min(size, endLength+maxComment)
	tail := make([]byte, n)
	if _, err := r.ReadAt(tail, size-n); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%w: %w", ErrNoArchive, err)
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || at+endLength > len(tail) {
		return nil, ErrNoArchive
	}
	end := size - n + int64(at)
	length := int64(binary.LittleEndian.Uint32(tail[at+12:]))
	offset := int64(binary.LittleEndian.Uint32(tail[at+16:]))
	starts := []int64{offset, end - length}

	locator, end64 := make([]byte, locatorLength), make([]byte, end64Length)
	if _, err := r.ReadAt(locator, end-locatorLength); err != nil || !bytes.HasPrefix(locator, []byte("PK\x06\x07")) {
		return starts, nil // it is not a zip64
	}
	at64 := int64(binary.LittleEndian.Uint64(locator[8:]))
	if _, err := r.ReadAt(end64, at64); err != nil || !bytes.HasPrefix(end64, []byte("PK\x06\x06")) {
		return starts, nil
	}
	length = int64(binary.LittleEndian.Uint64(end64[40:]))
	offset = int64(binary.LittleEndian.Uint64(end64[48:]))
	return append(starts, offset, at64-length), nil
}

// count counts the consecutive headers of a directory, up to maxCount.
func count(r *bufio.Reader, maxCount int) (n int) {
	header := make([]byte, headerLength)
	for n < maxCount {
		if _, err := io.ReadFull(r, header); err != nil || !bytes.HasPrefix(header, []byte("PK\x01\x02")) {
			return n
		}
		n++
		rest := 0 // the lengths of the name, the extra field and the comment
		for _, at := range []int{28, 30, 32} {
			rest += int(binary.LittleEndian.Uint16(header[at:]))
		}
		if _, err := r.Discard(rest); err != nil {
			return n
		}
	}
	return n
}
