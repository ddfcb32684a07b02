package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Document is JSON that can be served as it is, with its entity tag and its time. It never changes, and its bytes
// must not be changed. It is safe for concurrent use.
type Document struct {
	*content
	changed time.Time
	date    string // changed as text; see LastModified
}

// datedDocument returns the document of a content.
func datedDocument(c *content, changed time.Time) *Document {
	d := &Document{content: c, changed: changed.Truncate(time.Second)}
	if !changed.IsZero() {
		d.date = d.changed.UTC().Format(httpTime)
	}
	return d
}

// httpTime is the format of times in headers, as http.TimeFormat.
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// A content is the bytes of one or more documents.
type content struct {
	*body
	etag     string
	gzipETag string
	zipped   func() *body // nil if compression would not make the JSON smaller
	pretty   func() *content
	indented atomic.Bool // pretty was called
}

// NewDocument returns a document of JSON, or of other data, that is in no catalog. changed is the time of its last
// change, or the zero time. The caller must not change data afterwards.
func NewDocument(data []byte, changed time.Time) *Document {
	return newDocument(data, etag(data), changed, nil)
}

// newDocument returns a document. It calls grown, if that is not nil, when a content takes n bytes more because its
// compressed or indented form was made.
func newDocument(data []byte, tag string, changed time.Time, grown func(c *content, n int)) *Document {
	c := newContent(newBody([][]byte{data}), tag, grown)
	c.zipped = sync.OnceValue(func() *body {
		z := compress(data)
		if z == nil {
			return nil
		}
		if grown != nil {
			grown(c, len(z))
		}
		return newBody([][]byte{z})
	})
	return datedDocument(c, changed)
}

// newListDocument returns the list that has some chunks.
func newListDocument(all chunks, changed time.Time) *Document {
	if len(all) == 0 {
		return NewDocument([]byte("[]"), changed)
	}
	end := []byte("]")
	segments := make([][]byte, 0, len(all)+1)
	sum := sha256.New()
	for _, c := range all {
		s := c.made()
		segments = append(segments, s.data)
		sum.Write(s.sum[:])
	}
	b := newBody(append(segments, end))
	c := newContent(b, entityTag(sum.Sum(nil)), nil)
	c.zipped = sync.OnceValue(func() *body {
		parts := make([]deflated, 0, len(all)+1)
		for _, c := range all {
			parts = append(parts, c.zipped())
		}
		z := newBody(gzipOf(append(parts, deflate(end, true))))
		if z.size >= b.size {
			return nil
		}
		return z
	})
	return datedDocument(c, changed)
}

// newContent returns a content without a compressed form; see newDocument.
func newContent(b *body, tag string, grown func(c *content, n int)) *content {
	c := &content{body: b, etag: tag, gzipETag: gzipETag(tag)}
	c.pretty = sync.OnceValue(func() *content {
		indented := indent(b.bytes())
		defer c.indented.Store(true)
		if grown == nil {
			return newDocument(indented, etag(indented), time.Time{}, nil).content
		}
		grown(c, len(indented))
		ofIndented := func(_ *content, n int) { grown(c, n) }
		return newDocument(indented, etag(indented), time.Time{}, ofIndented).content
	})
	return c
}

// Size returns the number of bytes of the JSON.
func (d *Document) Size() int { return d.body.size }

// WriteTo writes the JSON to w. It does not need memory for all of a large document that was written only once.
func (d *Document) WriteTo(w io.Writer) (int64, error) { return d.body.writeTo(w) }

// Bytes returns the JSON. A large document keeps a copy of it from then on; [Document.WriteTo] makes none.
func (d *Document) Bytes() []byte { return d.body.bytes() }

// ETag returns the strong entity tag of [Document.Bytes] (RFC 9110), with its quotes. It depends on the content alone,
// so it stays the same after a restart, and is the same on all servers that share a store.
func (d *Document) ETag() string { return d.etag }

// Gzip returns the JSON compressed, and the entity tag of the compressed form. It returns nil if compression would not
// make the JSON smaller. The first call compresses; later calls return the same bytes.
func (d *Document) Gzip() (data []byte, etag string) {
	if z := d.zipped(); z != nil {
		data = z.bytes()
	}
	return data, d.gzipETag
}

// GzipSize returns the number of bytes of the compressed form, which is one member of gzip. It is 0 if compression
// would not make the JSON smaller. The first call compresses.
func (d *Document) GzipSize() int {
	if z := d.zipped(); z != nil {
		return z.size
	}
	return 0
}

// WriteGzipTo writes the compressed form to w, as WriteTo writes the JSON. It writes nothing if there is none.
func (d *Document) WriteGzipTo(w io.Writer) (int64, error) {
	if z := d.zipped(); z != nil {
		return z.writeTo(w)
	}
	return 0, nil
}

// GzipETag returns the entity tag of [Document.Gzip] without compressing.
func (d *Document) GzipETag() string { return d.gzipETag }

// Changed returns the time of the document's last change, in whole seconds. It may be ahead of the clock when there are
// several changes within a second, because readers tell documents apart by it.
func (d *Document) Changed() time.Time { return d.changed }

// LastModified returns the time of Changed as the value of a header, and an empty string for the zero time.
func (d *Document) LastModified() string { return d.date }

// Pretty returns the same JSON indented by two spaces, with a space after each colon, as a document with its own entity
// tag. The first call indents; later calls return the same content.
func (d *Document) Pretty() *Document { return &Document{d.pretty(), d.changed, d.date} }

// HasPretty reports whether [Document.Pretty] has been called and returns at once.
func (d *Document) HasPretty() bool { return d.indented.Load() }

// maxIndented bounds by what factor JSON may grow when it is indented. Definitions grow two- to threefold. Deeply
// nested unknown members could grow sixtyfold.
const maxIndented = 4

// indent returns JSON indented. It returns JSON that would grow too much, and other data, such as a signed definition,
// unchanged.
func indent(body []byte) []byte {
	if indentedSize(body) > maxIndented*len(body)+4096 {
		return body
	}
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") != nil {
		return body
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// indentedSize returns the size of JSON without white space after it is indented.
func indentedSize(body []byte) int {
	size, depth, inString := len(body), 0, false
	line := func() { size += 1 + 2*depth }
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString:
			if c == '\\' {
				i++
			}
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{', c == '[':
			if i+1 < len(body) && (body[i+1] == '}' || body[i+1] == ']') {
				i++ // an empty object or array stays on one line
				break
			}
			depth++
			line()
		case c == '}', c == ']':
			depth--
			line()
		case c == ',':
			line()
		case c == ':':
			size++
		}
	}
	return size
}

// etag returns the strong entity tag of bytes.
func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return entityTag(sum[:])
}

// entityTag returns the entity tag of a hash.
func entityTag(sum []byte) string { return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"` }

// gzipETag returns the entity tag of the compressed form, from that of the uncompressed one.
func gzipETag(etag string) string { return strings.TrimSuffix(etag, `"`) + `-gzip"` }
