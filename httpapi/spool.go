package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
)

// spool writes the body of a request, bare or as the file of a form, to a temporary
// file: a zip is read from its end, and a client that sends many titles reads no
// answer until it has sent them all. done removes the file.
func (a *api) spool(w http.ResponseWriter, r *http.Request) (file *upload, size int64, done func(), err error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(10 * chunkTimeout)) // who cannot keeps the server's
	_ = control.SetWriteDeadline(time.Time{})                      // it begins when there is something to say
	body := io.Reader(http.MaxBytesReader(w, r.Body, a.maxArchive+formOverhead))
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType == "multipart/form-data" {
		r.Body = io.NopCloser(body)
		if body, err = formFile(r, params["boundary"]); err != nil {
			return nil, 0, nil, bodyError(err, false)
		}
	}
	if file, err = a.newUpload(a.uploadDir); err != nil {
		return nil, 0, nil, err
	}
	done = func() { _ = file.Close() }
	var failed *uploadError
	switch size, err = io.Copy(file, body); {
	case errors.As(err, &failed):
	case err != nil:
		err = bodyError(err, false)
	case size > a.maxArchive:
		err = fmt.Errorf("%w: the body is larger than %d bytes", patch.ErrTooLarge, a.maxArchive)
	default:
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, 0, nil, err
	}
	return file, size, done, nil
}

// array yields the definitions of a JSON array.
func (a *api) array(file io.Reader) iter.Seq2[archive.Member, error] {
	return func(yield func(archive.Member, error) bool) {
		bounded := &boundedReader{r: file}
		dec := jsontext.NewDecoder(bounded)
		bounded.left = int64(a.max)
		if _, err := dec.ReadToken(); err != nil {
			yield(archive.Member{Name: "/"}, brokenJSON(err))
			return
		}
		for i := 0; ; i++ {
			name := "/" + strconv.Itoa(i)
			bounded.left = int64(a.max) + 64<<10
			if dec.PeekKind() == ']' {
				_, _ = dec.ReadToken()
				if _, err := dec.ReadToken(); err != io.EOF {
					yield(archive.Member{Name: name}, &requestError{"something follows the array, and is not read"})
				}
				return
			}
			value, err := dec.ReadValue()
			if err != nil {
				if errors.Is(err, errBounded) {
					err = fmt.Errorf(
						"%w: it has more than %d bytes, and what follows it is not read",
						patch.ErrTooLarge,
						a.max,
					)
				} else {
					err = brokenJSON(err)
				}
				yield(archive.Member{Name: name}, err)
				return
			}
			if !yield(a.member(name, value)) {
				return
			}
		}
	}
}

// member reads a definition of an import, and mends what exports of other systems lack.
func (a *api) member(name string, data []byte) (archive.Member, error) {
	def, warnings, err := patch.ParseRepair(data, &patch.ParseOptions{MaxBytes: a.max})
	return archive.Member{Name: name, Definition: def, Warnings: warnings}, err
}

// brokenJSON says that what follows cannot be read either.
func brokenJSON(err error) error {
	var failed *uploadError
	if errors.As(err, &failed) {
		return err
	}
	return &requestError{"the JSON ends, or is broken, here, and what follows is not read: " + err.Error()}
}

var errBounded = errors.New("more than is read at once")

// A boundedReader gives as much as is left, which its user sets anew.
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

// lines yields the definitions of NDJSON. One that is alone in the file may have line
// breaks.
func (a *api) lines(file io.ReadSeeker, start int64) iter.Seq2[archive.Member, error] {
	return func(yield func(archive.Member, error) bool) {
		if alone, err := a.alone(file, start); alone != nil || err != nil {
			if err != nil {
				alone = &archive.Member{Name: "line 1"}
			}
			yield(*alone, err)
			return
		}
		in := bufio.NewReaderSize(file, 64<<10)
		for n := 1; ; n++ {
			line, tooLong, err := readLine(in, a.max)
			name := "line " + strconv.Itoa(n)
			switch {
			case tooLong:
				if !yield(
					archive.Member{Name: name},
					fmt.Errorf("%w: the line has more than %d bytes", patch.ErrTooLarge, a.max),
				) {
					return
				}
			case len(bytes.TrimSpace(line)) > 0:
				if !yield(a.member(name, line)) {
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					yield(archive.Member{Name: name}, err)
				}
				return
			}
		}
	}
}

// alone returns the definition that is the whole file, nil if it is not one. Errors
// are of the file.
func (a *api) alone(file io.ReadSeeker, start int64) (*archive.Member, error) {
	data, err := io.ReadAll(io.LimitReader(file, int64(a.max)+1))
	if err != nil {
		return nil, err
	}
	if len(data) <= a.max {
		if m, err := a.member("line 1", data); err == nil {
			return &m, nil
		}
	}
	_, err = file.Seek(start, io.SeekStart)
	return nil, err
}

// readLine reads a line of at most limit bytes; a longer one is passed over.
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
