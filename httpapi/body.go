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

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/patch"
)

// filePart is the part of a form that Patch Server's clients put a definition in.
const filePart = "file"

// bodies reads the bodies of requests, within a budget.
type bodies struct {
	budget *Budget
	// maxBytes bounds a body.
	maxBytes int
}

// parseOptions returns the options with which a body is parsed.
func (b bodies) parseOptions() *patch.ParseOptions { return &patch.ParseOptions{MaxBytes: b.maxBytes} }

// read reads a body of JSON: bare, or as the file of a form. The type that a client states is ignored if the body looks
// like JSON, because curl -d states application/x-www-form-urlencoded for everything. Whether the body is JSON is not
// checked.
func (b bodies) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, fmt.Errorf("%w: send it without Content-Encoding", problem.ErrMediaType)
	}
	limit, err := b.budget.admitBody(w, r, b.maxBytes)
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
	anonymous := callOf(r).anonymous()
	if err != nil {
		return nil, bodyError(err, limit, anonymous)
	}
	if len(body) > limit {
		return nil, &bodyTooLarge{limit, anonymous}
	}
	if err := b.budget.admitWork(w, r, len(body)); err != nil {
		return nil, err
	}
	if !mayBeJSON(mediaType, body) {
		return nil, fmt.Errorf("%w: send JSON as application/json, or as the part %q of multipart/form-data",
			problem.ErrMediaType, filePart)
	}
	return body, nil
}

// mayBeJSON reports whether a body is JSON by its type, or looks like it.
func mayBeJSON(mediaType string, body []byte) bool {
	switch mediaType {
	case "", "application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "text/json":
		return true
	}
	start := bytes.TrimLeft(body, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
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
		return nil, &problem.RequestError{
			Message: "the form has no boundary: let your client set the Content-Type of a form by itself",
		}
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, &problem.RequestError{Message: "the form cannot be read: " + err.Error()}
	}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return nil, &problem.RequestError{Message: fmt.Sprintf(
				"the form has no part named %q: send the definition in it, as curl -F %s=@definition.json does",
				filePart, filePart,
			)}
		}
		if err != nil {
			return nil, err
		}
		if part.FormName() == filePart {
			return part, nil
		}
	}
}

// maxTrusted bounds the memory that is allocated because a client states the size of its body.
const maxTrusted = 16 << 20

// readAll reads all of a body. size is the size that the client states, negative if it states none. It is trusted up to
// limit, so that the memory is allocated once.
func readAll(r io.Reader, size int64, limit int) ([]byte, error) {
	var body bytes.Buffer
	if size > 0 {
		body.Grow(int(min(size, int64(limit), maxTrusted)) + bytes.MinRead)
	}
	_, err := body.ReadFrom(r)
	return body.Bytes(), err
}

// bodyError returns the error of a body, of which at most limit bytes are read, that cannot be read to its end.
func bodyError(err error, limit int, anonymous bool) error {
	var tooLarge *http.MaxBytesError
	var request *problem.RequestError
	switch {
	case errors.As(err, &tooLarge):
		return &bodyTooLarge{limit, anonymous}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem.RequestError{Message: fmt.Sprintf(
			"the body arrives too slowly: send it at %s per second or more", byteCount(minBodySpeed),
		)}
	case errors.As(err, &request):
		return err
	}
	return &problem.RequestError{Message: "the body cannot be read: " + err.Error()}
}

// object reads a body that is a JSON object into a struct. A value of the wrong type is a failure with its place.
func (b bodies) object(w http.ResponseWriter, r *http.Request, into any, opts ...json.Options) error {
	body, err := b.read(w, r)
	if err != nil {
		return err
	}
	return b.decode(body, into, opts...)
}

// objectIfAny reads a body as object does, and nothing from an empty one.
func (b bodies) objectIfAny(w http.ResponseWriter, r *http.Request, into any, opts ...json.Options) error {
	body, err := b.read(w, r)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	return b.decode(body, into, opts...)
}

// texts reads a body that is a JSON object and returns its members of these names, all of which must be strings.
func (b bodies) texts(w http.ResponseWriter, r *http.Request, names ...string) ([]string, error) {
	var members map[string]jsontext.Value
	if err := b.object(w, r, &members); err != nil {
		return nil, err
	}
	var f form
	var values []string
	for _, name := range names {
		values = append(values, f.text(members[name], "/"+name))
	}
	return values, f.err()
}

func (b bodies) decode(body []byte, into any, opts ...json.Options) error {
	if err := patch.CheckSyntax(body, b.parseOptions()); err != nil {
		return err
	}
	if jsontext.Value(body).Kind() != '{' {
		return failure("", "must be an object")
	}
	var semantic *json.SemanticError
	switch err := json.Unmarshal(body, into, opts...); {
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &semantic):
		return failure(string(semantic.JSONPointer), "is unknown: remove it, or correct its name")
	case errors.As(err, &semantic):
		return failure(string(semantic.JSONPointer), "has the wrong type")
	case err != nil:
		return failure("", "cannot be read")
	}
	return nil
}

// A form collects the failures of the values in a body.
type form struct{ patch.ValidationError }

// fail notes that the value at a path is wrong, unless patch.MaxFailures are noted.
func (f *form) fail(path, message string) {
	if len(f.Failures) >= patch.MaxFailures {
		f.Truncated = true
		return
	}
	f.Failures = append(f.Failures, patch.Failure{Path: path, Message: message})
}

// text returns a JSON string.
func (f *form) text(v jsontext.Value, path string) (s string) {
	switch {
	case v == nil:
		f.fail(path, "is missing: add it")
	case v.Kind() != '"':
		f.fail(path, "must be a string")
	default:
		_ = json.Unmarshal(v, &s) // the syntax was checked
	}
	return s
}

// add notes the failures of a part of the body. It returns any other error.
func (f *form) add(err error) error {
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	f.Failures = append(f.Failures, invalid.Failures...)
	f.Truncated = f.Truncated || invalid.Truncated
	return nil
}

// err returns an error with the failures, at most patch.MaxFailures, and nil if there are none.
func (f *form) err() error {
	if len(f.Failures) == 0 {
		return nil
	}
	if n := len(f.Failures); n > patch.MaxFailures {
		f.Failures, f.Truncated = f.Failures[:patch.MaxFailures], true
	}
	return &f.ValidationError
}
