package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/patch"
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
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType == "multipart/form-data" {
		return a.readForm(w, r, params["boundary"])
	}
	body, err := a.readAll(http.MaxBytesReader(w, r.Body, int64(a.max)))
	if err != nil {
		return nil, err
	}
	switch mediaType {
	case "", "application/json", "application/x-www-form-urlencoded", "text/plain", "text/json":
		return body, nil
	}
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		return body, nil
	}
	return nil, fmt.Errorf("%w: send JSON as application/json, or as the part %q of multipart/form-data", errMediaType, filePart)
}

func (a *api) readForm(w http.ResponseWriter, r *http.Request, boundary string) ([]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, int64(a.max)+formOverhead)
	part, err := formFile(r, boundary)
	if err != nil {
		return nil, err
	}
	return a.readAll(part)
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
			return nil, &requestError{fmt.Sprintf("the form has no part named %q: send the definition in it, as curl -F %s=@definition.json does", filePart, filePart)}
		}
		if err != nil {
			return nil, bodyError(err)
		}
		if part.FormName() == filePart {
			return part, nil
		}
	}
}

func (a *api) readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, bodyError(err)
	}
	return body, nil
}

// bodyError is what to say when a body cannot be read to its end.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: the body has more than %d bytes", patch.ErrTooLarge, tooLarge.Limit)
	}
	return &requestError{"the body cannot be read: " + err.Error()}
}
