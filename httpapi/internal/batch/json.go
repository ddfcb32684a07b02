package batch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
)

// array yields the definitions of a JSON array.
func (in *reader) array(yield func(archive.Member, error) bool) {
	bounded := &boundedReader{r: in.file, left: int64(in.maxBytes)}
	dec := jsontext.NewDecoder(bounded)
	if _, err := dec.ReadToken(); err != nil {
		yield(archive.Member{Name: "/"}, brokenJSON(err))
		return
	}
	for i := 0; ; i++ {
		name := "/" + strconv.Itoa(i)
		bounded.left = int64(in.maxBytes) + readAhead
		if dec.PeekKind() == ']' {
			if err := end(dec); err != nil {
				yield(archive.Member{Name: name}, err)
			}
			return
		}
		value, err := dec.ReadValue()
		if err != nil {
			yield(archive.Member{Name: name}, in.arrayError(err))
			return
		}
		if !yield(in.member(name, value)) {
			return
		}
	}
}

// readAhead is how far the decoder may read beyond a definition.
const readAhead = 64 << 10

// end reads the end of an array. It returns an error if something follows.
func end(dec *jsontext.Decoder) error {
	_, _ = dec.ReadToken() // the bracket
	if _, err := dec.ReadToken(); err != io.EOF {
		return &problem.RequestError{Message: "something follows the array, and was not read"}
	}
	return nil
}

func (in *reader) arrayError(err error) error {
	if errors.Is(err, errBounded) {
		return fmt.Errorf("%w: it has more than %d bytes, and the rest of the body was not read",
			patch.ErrTooLarge, in.maxBytes)
	}
	return brokenJSON(err)
}

var errBounded = errors.New("the value is too large")

// A boundedReader reads as many bytes as are left. Its user renews them for each value.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errBounded
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// lines yields the definitions of NDJSON. A definition that is alone in the file may have line breaks.
func (in *reader) lines(yield func(archive.Member, error) bool) {
	if alone, err := in.alone(); err != nil {
		yield(archive.Member{Name: "line 1"}, err)
		return
	} else if alone != nil {
		yield(*alone, nil)
		return
	}
	buffered := bufio.NewReaderSize(in.file, readAhead)
	for n := 1; ; n++ {
		name := "line " + strconv.Itoa(n)
		line, tooLong, err := readLine(buffered, in.maxBytes)
		if tooLong || len(bytes.TrimSpace(line)) > 0 {
			if !yield(in.line(name, line, tooLong)) {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			yield(archive.Member{Name: name}, err)
			return
		}
	}
}

func (in *reader) line(name string, line []byte, tooLong bool) (archive.Member, error) {
	if tooLong {
		err := fmt.Errorf("%w: the line has more than %d bytes", patch.ErrTooLarge, in.maxBytes)
		return archive.Member{Name: name}, err
	}
	return in.member(name, line)
}

// alone returns the definition that is the whole file, and nil if the file has several. Its errors are those of the
// file.
func (in *reader) alone() (*archive.Member, error) {
	data, err := io.ReadAll(io.LimitReader(in.file, int64(in.maxBytes)+1))
	if err != nil {
		return nil, err
	}
	if len(data) <= in.maxBytes {
		if m, err := in.member("line 1", data); err == nil {
			return &m, nil
		}
	}
	_, err = in.file.Seek(in.start, io.SeekStart)
	return nil, err
}

// readLine reads a line of at most limit bytes. A longer one is skipped.
func readLine(in *bufio.Reader, limit int) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if !tooLong {
			if tooLong = len(line)+len(part) > limit+1; tooLong {
				line = nil
			} else {
				line = append(line, part...)
			}
		}
		if err != bufio.ErrBufferFull {
			return line, tooLong, err
		}
	}
}
