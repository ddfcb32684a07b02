package releases

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// readJSON returns the value of a JSON text, as package encoding/json does with UseNumber. The last one of several
// members with the same name counts. The error is an ErrUnreadable.
func readJSON(text []byte) (any, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	r := jsonReader{decoder: d, left: maxNodes}
	value, err := r.value(0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the first value")
		}
	}
	switch {
	case err == nil:
		return value, nil
	case errors.Is(err, errLimit):
		return nil, err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends too early")
	}
	return nil, unreadable("the answer is not JSON: %w%s", err, beginning(text))
}

// errLimit is the kind of errors of documents that exceed a limit.
var errLimit = errors.New("limit exceeded")

// tooDeep and tooMany are the errors for documents that exceed a limit.
var (
	tooDeep = unreadable("the answer is nested more than %d levels deep%w", maxDepth, quiet{errLimit})
	tooMany = unreadable("the answer has more than %d values%w", maxNodes, quiet{errLimit})
)

// quiet is an error without a text.
type quiet struct{ error }

func (quiet) Error() string   { return "" }
func (q quiet) Unwrap() error { return q.error }

// A jsonReader builds a value from tokens within limits.
type jsonReader struct {
	decoder *json.Decoder
	left    int // values that may follow
}

func (r *jsonReader) value(depth int) (any, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	if r.left--; r.left < 0 {
		return nil, tooMany
	}
	delim, ok := token.(json.Delim)
	switch {
	case !ok:
		return token, nil
	case depth == maxDepth:
		return nil, tooDeep
	case delim == '[':
		return r.array(depth)
	}
	return r.object(depth)
}

func (r *jsonReader) array(depth int) (any, error) {
	list := []any{}
	for r.decoder.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.decoder.Token()
	return list, err
}

func (r *jsonReader) object(depth int) (any, error) {
	members := map[string]any{}
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return nil, err
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // the decoder has checked it
		members[name] = v
	}
	_, err := r.decoder.Token()
	return members, err
}

// beginning returns the first characters of an answer, as the end of a sentence that says that it is not what it should
// be.
func beginning(text []byte) string {
	const length = 40
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return " (it is empty)"
	}
	start := strings.ToValidUTF8(string(text[:min(len(text), length)]), "")
	start = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, start)
	return " (it begins with " + quote(start) + ")"
}

// quote returns a text in double quotes.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, "'") + `"` }
