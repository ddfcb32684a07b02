// Package batch reads many definitions from one file: a zip, a JSON array, or NDJSON, which has a definition on each
// line. It reads one definition at a time, so that the file may be larger than the memory.
package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
)

// A File is the source of a batch.
type File interface {
	io.ReadSeeker
	io.ReaderAt
}

// utf8Mark is the byte order mark that some editors write at the beginning of a file.
const utf8Mark = "\ufeff"

// Read yields the definitions in a file of so many bytes. Each of them may have at most maxBytes. A definition that
// cannot be read is an error in its place, with the name of the place. Read returns an error at once if the file has
// none of the forms.
func Read(file File, size int64, maxBytes int) (iter.Seq2[archive.Member, error], error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	head = head[:n]
	start := int64(0)
	if rest, ok := bytes.CutPrefix(head, []byte(utf8Mark)); ok {
		head, start = rest, int64(len(utf8Mark))
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	if _, err := file.Seek(start, io.SeekStart); err != nil {
		return nil, err
	}
	in := reader{file: file, start: start, maxBytes: maxBytes}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return archive.Read(file, size, &archive.ReadOptions{MaxBytes: maxBytes, Repair: true}), nil
	case len(head) == 0:
		return nil, &problem.RequestError{
			Message: "the body is empty: send a JSON array of definitions, a definition on each line, or a zip",
		}
	case head[0] == '[':
		return in.array, nil
	case head[0] == '{':
		return in.lines, nil
	}
	return nil, fmt.Errorf("%w: send a JSON array of definitions, a definition on each line (NDJSON), or a zip",
		problem.ErrMediaType)
}

// A reader reads definitions from JSON.
type reader struct {
	file     File
	start    int64 // where the JSON begins
	maxBytes int
}

// member returns the definition in data, with the repairs that exports of other systems need.
func (in *reader) member(name string, data []byte) (archive.Member, error) {
	def, warnings, err := patch.ParseRepair(data, &patch.ParseOptions{MaxBytes: in.maxBytes})
	return archive.Member{Name: name, Definition: def, Warnings: warnings, Bytes: len(data)}, err
}

// brokenJSON returns the error of JSON that cannot be read any further.
func brokenJSON(err error) error {
	var failed *upload.Error
	if errors.As(err, &failed) {
		return err
	}
	return &problem.RequestError{
		Message: "the JSON ends here or is invalid, and the rest of the body was not read: " + err.Error(),
	}
}
