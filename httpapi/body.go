package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
)

// filePart is the part of a form that Patch Server's clients put a definition
// in.
const filePart = "file"

// formOverhead is what a form may have around the file.
const formOverhead = 64 << 10

// readJSON reads a body of JSON: bare, or as the file of a form. What a client
// says of its type does not count if the body looks like JSON, because curl -d
// says application/x-www-form-urlencoded of everything. It is not checked
// whether it is JSON.
func (a *api) readJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, fmt.Errorf("%w: send it without Content-Encoding", errMediaType)
	}
	limit, err := a.admitBody(w, r)
	if err != nil {
		return nil, err
	}
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var body []byte
	if mediaType == "multipart/form-data" {
		body, err = readForm(w, r, params["boundary"], limit)
	} else {
		body, err = readAll(http.MaxBytesReader(w, r.Body, int64(limit)), r.ContentLength, limit)
	}
	if err != nil {
		return nil, bodyError(err, callOf(r).stranger())
	}
	if len(body) > limit {
		return nil, &bodyTooLarge{limit, callOf(r).stranger()}
	}
	err = a.admitWork(w, r, len(body))
	if err != nil {
		return nil, err
	}
	switch mediaType {
	case "multipart/form-data":
		return body, nil
	case "", "application/json", "application/x-www-form-urlencoded", "text/plain", "text/json":
		return body, nil
	}
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		return body, nil
	}
	return nil, fmt.Errorf(
		"%w: send JSON as application/json, or as the part %q of multipart/form-data",
		errMediaType,
		filePart,
	)
}

func readForm(w http.ResponseWriter, r *http.Request, boundary string, limit int) ([]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, int64(limit)+formOverhead)
	part, err := formFile(r, boundary)
	if err != nil {
		return nil, err
	}
	return readAll(part, r.ContentLength, limit)
}

// formFile returns the file of a form.
func formFile(r *http.Request, boundary string) (io.Reader, error) {
	if boundary == "" {
		return nil, &requestError{"the form has no boundary: let your client set the Content-Type of a form by itself"}
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, &requestError{"the form cannot be read: " + err.Error()}
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil, &requestError{
				fmt.Sprintf(
					"the form has no part named %q: send the definition in it, as curl -F %s=@definition.json does",
					filePart,
					filePart,
				),
			}
		}
		if err != nil {
			return nil, err
		}
		if part.FormName() == filePart {
			return part, nil
		}
	}
}

// readAll reads all of a body. size is how long its sender says it is, negative if that is not known; it is believed
// up to limit, so that the memory is allocated once.
func readAll(r io.Reader, size int64, limit int) ([]byte, error) {
	var body bytes.Buffer
	if size > 0 {
		body.Grow(int(min(size, int64(limit))) + bytes.MinRead)
	}
	_, err := body.ReadFrom(r)
	return body.Bytes(), err
}

// bodyError is what to say when a body cannot be read to its end. stranger says that its sender has no token.
func bodyError(err error, stranger bool) error {
	var tooLarge *http.MaxBytesError
	var request *requestError
	switch {
	case errors.As(err, &tooLarge):
		return &bodyTooLarge{int(tooLarge.Limit), stranger}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &requestError{
			fmt.Sprintf("the body arrives too slowly: send it at %s a second or more", byteCount(minBodySpeed)),
		}
	case errors.As(err, &request):
		return err
	}
	return &requestError{"the body cannot be read: " + err.Error()}
}

// byteCount writes a number of bytes for people.
func byteCount(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
