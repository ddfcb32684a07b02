package answer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// The values of headers that never change. A header's values are never changed in place, so one slice serves all
// answers.
var (
	JSON = []string{"application/json"}

	encodingGzip = []string{"gzip"}
	varyEncoding = []string{"Accept, Accept-Encoding"}
	varyToken    = []string{"Accept, Accept-Encoding, Authorization"}
	varySession  = []string{"Accept, Accept-Encoding, Cookie"}
	varyBoth     = []string{"Accept, Accept-Encoding, Authorization, Cookie"}
	// A client may keep an answer but has to revalidate it each time: an administrator who has added a version wants to
	// see it at once.
	revalidate = []string{"no-cache"}
)

// WriteJSON answers with JSON that is neither conditional nor compressed.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := Encode(v)
	if err != nil {
		panic("httpapi: an answer cannot be encoded: " + err.Error())
	}
	w.Header()["Content-Type"] = JSON
	w.WriteHeader(status)
	_, _ = w.Write(body) // it fails if the client is gone
}

// Encode returns v as JSON, without the escapes for HTML.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// NewJSON returns the document of v as JSON.
func NewJSON(v any, changed time.Time) (Document, error) {
	body, err := Encode(v)
	if err != nil {
		return nil, err
	}
	return New(body, changed), nil
}
