package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/patchsource/patchsource/patch"
)

const (
	endLength = 22      // of the end of the directory, without its comment
	maxEnd    = 1 << 16 // of the comment
	// maxMember is what one may take, on average: a name of 255 characters, and
	// what archivers add.
	maxMember = 1024
)

// checkDirectory looks at the end of a zip for the size of its directory (APPNOTE,
// section 4.3.16) before the directory is read: that takes memory as the zip says.
func checkDirectory(r io.ReaderAt, size int64, maxMembers int) error {
	n := min(size, endLength+maxEnd)
	tail := make([]byte, n)
	if _, err := r.ReadAt(tail, size-n); err != nil && err != io.EOF {
		return fmt.Errorf("%w: %w", ErrNoArchive, err)
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || at+endLength > len(tail) {
		return ErrNoArchive
	}
	bytesInDirectory := int64(binary.LittleEndian.Uint32(tail[at+12:]))
	if bytesInDirectory == 1<<32-1 { // zip64 says it elsewhere; it lies in front of the end in any case
		bytesInDirectory = size
	}
	if limit := int64(maxMembers) * maxMember; bytesInDirectory > limit {
		return fmt.Errorf("%w: the directory of the archive has %d bytes, at most %d are read", patch.ErrTooLarge, bytesInDirectory, limit)
	}
	return nil
}
