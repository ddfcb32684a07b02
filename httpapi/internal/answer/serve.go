package answer

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/trace"
)

// A Server serves documents.
type Server struct {
	// Now is the clock.
	Now func() time.Time
	// Send, if not nil, waits until a body of so many bytes may be sent. The caller calls leave when it was sent; leave
	// may be nil.
	Send func(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error)
	// Indent, if not nil, waits until a document of so many bytes may be indented. The caller calls leave afterward;
	// leave may be nil.
	Indent func(r *http.Request, bytes int) (leave func(), err error)

	reached atomic.Int64 // a time that the clock has reached, in seconds since 1970
}

// Serve answers a read with a document. The error is one of Send or Indent, and nothing was written then.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, doc Document, contentType []string) error {
	if (r.URL.RawQuery != "" || len(r.Header["Accept"]) > 0) && wantsPretty(r) {
		pretty, err := s.indented(r, doc)
		if err != nil {
			return err
		}
		doc = pretty
	}
	known, unchanged := notModified(r, doc)
	form := formFor(r, doc, known)
	if s.Send != nil && !unchanged && r.Method != http.MethodHead {
		leave, err := s.Send(w, r, form.size)
		if err != nil {
			return err
		}
		if leave != nil {
			defer leave()
		}
	}
	s.write(w, r, doc, contentType, form, unchanged)
	return nil
}

// A form is the form of a document that a client gets.
type form struct {
	etag   string
	size   int
	zipped bool
}

// formFor returns the form for a request. If known is not empty, the client has the document under this ETag.
func formFor(r *http.Request, doc Document, known string) form {
	if known != "" {
		return form{etag: known}
	}
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		if n := doc.GzipSize(); n > 0 {
			return form{doc.GzipETag(), n, true}
		}
	}
	return form{doc.ETag(), doc.Size(), false}
}

// write writes a document, or that it is unchanged.
func (s *Server) write(
	w http.ResponseWriter, r *http.Request, doc Document, contentType []string, f form, unchanged bool,
) {
	values := valuesOf(w)
	values[0], values[1] = f.etag, s.lastModified(doc)
	h := w.Header()
	h["Etag"] = values[0:1:1]
	if values[1] != "" {
		h["Last-Modified"] = values[1:2:2]
	}
	h["Cache-Control"] = revalidate
	switch vary := h["Vary"]; { // set if the document depends on the reader
	case len(vary) == 0:
		h["Vary"] = varyEncoding
	case vary[0] == "Cookie":
		h["Vary"] = varySession
	case vary[0] == "Authorization, Cookie":
		h["Vary"] = varyBoth
	default:
		h["Vary"] = varyToken
	}
	if unchanged {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = contentType
	if f.zipped {
		h["Content-Encoding"] = encodingGzip
	}
	if len(h) != smallHeader || f.size > bufferBeforeChunkingSize || r.Method == http.MethodHead {
		values[2] = strconv.Itoa(f.size)
		h["Content-Length"] = values[2:3:3]
	}
	// The status is 200 without a call of WriteHeader.
	switch { // to write fails if the client is gone
	case r.Method == http.MethodHead:
	case f.zipped:
		_, _ = doc.WriteGzipTo(w)
	default:
		_, _ = doc.WriteTo(w)
	}
}

const (
	// smallHeader is the number of members up to which a map needs only one small allocation. A ninth member, the
	// Content-Length, makes the header and the copy that net/http makes of it larger, which costs a twentieth of a
	// request. It can be left out of a small answer: net/http adds it if the handler returns before the buffer of
	// bufferBeforeChunkingSize bytes is full.
	smallHeader = 8
	// bufferBeforeChunkingSize is the size of that buffer, as net/http calls it.
	bufferBeforeChunkingSize = 2048
)

// valuesOf returns an array of the values that differ between answers. That of an answer of the feed takes no memory of
// its own.
func valuesOf(w http.ResponseWriter) *[3]string {
	if rec, ok := w.(*trace.Recorder); ok {
		return &rec.Values
	}
	return &[3]string{}
}

// lastModified returns the value of the header Last-Modified, or an empty string for a document that is not dated.
//
// A document may have a time ahead of the clock. No answer may have one (RFC 9110, section 8.8.2.1); a client that
// sends the answer's time back gets the document again.
func (s *Server) lastModified(doc Document) string {
	text := doc.LastModified()
	if text == "" {
		return ""
	}
	modified := doc.Changed()
	if modified.Unix() > s.reached.Load() {
		now := s.Now()
		if modified.After(now) {
			return now.UTC().Format(http.TimeFormat)
		}
		s.reached.Store(now.Unix())
	}
	return text
}

// indented returns a document indented. It waits if the work is still to be done.
func (s *Server) indented(r *http.Request, doc Document) (Document, error) {
	if s.Indent == nil || doc.HasPretty() {
		return doc.Pretty(), nil
	}
	leave, err := s.Indent(r, doc.Size())
	if err != nil {
		return nil, err
	}
	if leave != nil {
		defer leave()
	}
	return doc.Pretty(), nil
}
