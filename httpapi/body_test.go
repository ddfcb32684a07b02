package httpapi_test

import (
	"bytes"
	"mime/multipart"
	"testing"

	"github.com/patchsource/patchsource/store/memstore"
)

// formOf returns a form with a file in the part of a name, and its type.
func formOf(t *testing.T, name string, file []byte) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("before", "x"); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile(name, "d.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(file); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestBodies(t *testing.T) {
	b := newBench(t, memstore.New())
	good, goodType := formOf(t, "file", []byte(definition("Form", "1")))
	wrong, wrongType := formOf(t, "upload", []byte(definition("Form2", "1")))
	for _, c := range []struct {
		name, body, contentType string
		status                  int
	}{
		{"JSON", definition("A", "1"), "application/json", 201},
		{"JSON with parameters", definition("B", "1"), "application/json; charset=utf-8", 201},
		{"no type", definition("C", "1"), "", 201},
		{"curl -d", definition("D", "1"), "application/x-www-form-urlencoded", 201},
		{"JSON of another type", definition("E", "1"), "application/octet-stream", 201},
		{"form", good, goodType, 201},
		{"form without the file", wrong, wrongType, 400},
		{"form without a boundary", good, "multipart/form-data", 400},
		{"truncated form", good[:len(good)/2], goodType, 400},
		{"zip", "PK\x03\x04", "application/zip", 415},
		{"curl -d without JSON", "a=b", "application/x-www-form-urlencoded", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, b.asAdmin("POST", "/api/v1/title", c.body, "Content-Type", c.contentType), c.status)
		})
	}
	expect(t, b.asAdmin("POST", "/api/v1/title", definition("Z", "1"), "Content-Encoding", "gzip"), 415)
}

// The file of a form is bounded as a bare body is.
func TestFormTooLarge(t *testing.T) {
	b := newBench(t, memstore.New())
	body, contentType := formOf(t, "file", bytes.Repeat([]byte(" "), 300_000))
	expect(t, b.asAdmin("POST", "/api/v1/title", body, "Content-Type", contentType), 413)
}
