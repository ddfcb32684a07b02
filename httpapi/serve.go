package httpapi

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch/catalog"
)

// Values of headers that are always the same. A header's values are never
// changed in place, so that one slice serves all.
var (
	nosniff      = []string{"nosniff"}
	contentJSON  = []string{"application/json"}
	encodingGzip = []string{"gzip"}
	varyEncoding = []string{"Accept, Accept-Encoding"}
	varyReader   = []string{"Accept, Accept-Encoding, Authorization"}
	// A client may keep an answer, but has to ask each time whether it still
	// holds: an admin who has added a version wants to see it now.
	revalidate = []string{"no-cache"}
)

// serve answers a read with a document of JSON.
func (a *api) serve(w http.ResponseWriter, r *http.Request, doc *catalog.Document) {
	a.serveAs(w, r, doc, contentJSON)
}

// serveAs answers a read with a document: conditionally (RFC 9110, section 13),
// and compressed if the client takes that.
func (a *api) serveAs(w http.ResponseWriter, r *http.Request, doc *catalog.Document, contentType []string) {
	if (r.URL.RawQuery != "" || len(r.Header["Accept"]) > 0) && wantsPretty(r) {
		pretty, err := a.pretty(r, doc)
		if err != nil {
			a.writeError(w, r, err)
			return
		}
		doc = pretty
	}
	leave, err := a.send(w, r, doc)
	if err != nil {
		a.writeError(w, r, err)
		return
	}
	defer leave()
	body, etag := doc.Bytes(), doc.ETag()
	zipped := false
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		if z, zetag := doc.Gzip(); z != nil {
			body, etag, zipped = z, zetag, true
		}
	}
	// A document may have a time ahead of the clock; no answer says so (RFC
	// 9110, section 8.8.2.1), and who has the answer's time asks again.
	modified := doc.Changed()
	if now := a.now(); modified.After(now) {
		modified = now
	}
	// One array behind the values that differ: an answer of the feed allocates
	// next to nothing.
	values := &[3]string{etag, modified.UTC().Format(http.TimeFormat)}
	h := w.Header()
	h["Etag"] = values[0:1:1]
	h["Last-Modified"] = values[1:2:2]
	h["Cache-Control"] = revalidate
	if h["Vary"] == nil {
		h["Vary"] = varyEncoding
	} else {
		h["Vary"] = varyReader // what is read depends on the reader's token
	}
	if held, ok := notModified(r, doc); ok {
		if held != "" {
			values[0] = held
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
	values[2] = strconv.Itoa(len(body))
	h["Content-Type"] = contentType
	h["Content-Length"] = values[2:3:3]
	if zipped {
		h["Content-Encoding"] = encodingGzip
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // an error is the client's who has gone
	}
}

// send waits for room to send a document, if it is to be sent, and is large, and the caller is not trusted.
func (a *api) send(w http.ResponseWriter, r *http.Request, doc *catalog.Document) (leave func(), err error) {
	c := callOf(r)
	if len(doc.Bytes()) <= smallAnswer || r.Method == http.MethodHead || c.trusted {
		return func() {}, nil
	}
	if _, held := notModified(r, doc); held {
		return func() {}, nil
	}
	c.rest()
	return a.budget.EnterAnswer(w, r, len(doc.Bytes()))
}

// notModified reports whether the client has the document already, in either
// encoding, and by which ETag it knows it.
func notModified(r *http.Request, doc *catalog.Document) (etag string, ok bool) {
	if tags := r.Header["If-None-Match"]; len(tags) > 0 {
		for tag := range entityTags(tags) {
			// GET compares weakly: W/"x" is "x".
			tag = strings.TrimPrefix(tag, "W/")
			if tag == "*" {
				return "", true
			}
			if tag == doc.ETag() || tag == doc.GzipETag() {
				return tag, true
			}
		}
		return "", false // If-Modified-Since does not count beside it
	}
	lines := r.Header["If-Modified-Since"]
	if len(lines) == 0 {
		return "", false
	}
	since, err := http.ParseTime(lines[0])
	return "", err == nil && !doc.Changed().After(since)
}

// entityTags yields the tags of an If-Match or If-None-Match header.
func entityTags(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			// Our own tags have no comma in them, and who sends others does not
			// match anyway.
			for tag := range strings.SplitSeq(line, ",") {
				if tag = strings.Trim(tag, " \t"); tag != "" && !yield(tag) {
					return
				}
			}
		}
	}
}

// acceptsGzip reports whether a client takes gzip (RFC 9110, section 12.5.3).
func acceptsGzip(lines []string) bool {
	anything := false
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(part, ";")
			coding = strings.Trim(coding, " \t")
			switch {
			case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
				return quality(params) > 0
			case coding == "*":
				anything = quality(params) > 0
			}
		}
	}
	return anything
}

// quality returns the q of a coding's parameters; it is 1 when there is none.
func quality(params string) float64 {
	name, value, ok := strings.Cut(params, "=")
	if !ok || !strings.EqualFold(strings.Trim(name, " \t"), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
	if err != nil {
		return 0
	}
	return q
}

// maxFreePretty is how large a document may be that is indented without waiting for a turn.
const maxFreePretty = 64 << 10

// pretty returns a document indented. A large one that is not at hand waits for the caller's turn.
func (a *api) pretty(r *http.Request, doc *catalog.Document) (*catalog.Document, error) {
	c := callOf(r)
	if len(doc.Bytes()) <= maxFreePretty || c.trusted || doc.HasPretty() {
		return doc.Pretty(), nil
	}
	c.rest()
	_, leave, err := a.budget.Enter(r, 4*int64(len(doc.Bytes())))
	if err != nil {
		return nil, err
	}
	defer leave()
	return doc.Pretty(), nil
}

// wantsPretty reports whether a client asks for indented JSON: with ?pretty, or with an indent in its Accept.
func wantsPretty(r *http.Request) bool {
	if strings.Contains(r.URL.RawQuery, "pretty") {
		if q := r.URL.Query(); q.Has("pretty") && q.Get("pretty") != "0" && q.Get("pretty") != "false" {
			return true
		}
	}
	for _, line := range r.Header["Accept"] {
		if !strings.Contains(line, "indent") {
			continue // nearly every request
		}
		for part := range strings.SplitSeq(line, ",") {
			mediaType, params, err := mime.ParseMediaType(part)
			if err == nil && mediaType == "application/json" && params["indent"] != "" && params["indent"] != "0" {
				return true
			}
		}
	}
	return false
}
