package catalog

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
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
}

// A content is the bytes of one or more documents.
type content struct {
	body     []byte
	etag     string
	gzipETag string
	zipped   func() []byte
	pretty   func() *content
	indented atomic.Bool // pretty was called
}

// newDocument returns a document. It calls grown, if that is not nil, when a content takes n bytes more because its
// compressed or indented form was made.
func newDocument(body []byte, tag string, changed time.Time, grown func(c *content, n int)) *Document {
	c := &content{body: body, etag: tag, gzipETag: gzipETag(tag)}
	c.zipped = sync.OnceValue(func() []byte {
		z := compress(body)
		if grown != nil {
			grown(c, len(z))
		}
		return z
	})
	c.pretty = sync.OnceValue(func() *content {
		indented := indent(body)
		defer c.indented.Store(true)
		if grown == nil {
			return newDocument(indented, etag(indented), changed, nil).content
		}
		grown(c, len(indented))
		return newDocument(indented, etag(indented), changed, func(_ *content, n int) { grown(c, n) }).content
	})
	return &Document{c, changed.Truncate(time.Second)}
}

// Bytes returns the JSON.
func (d *Document) Bytes() []byte { return d.body }

// ETag returns the strong entity tag of [Document.Bytes] (RFC 9110), with its quotes. It depends on the bytes alone, so
// it stays the same after a restart.
func (d *Document) ETag() string { return d.etag }

// Gzip returns the JSON compressed, and the entity tag of the compressed form. It returns nil if compression would not
// make the JSON smaller. The first call compresses; later calls return the same bytes.
func (d *Document) Gzip() (data []byte, etag string) { return d.zipped(), d.gzipETag }

// GzipETag returns the entity tag of [Document.Gzip] without compressing.
func (d *Document) GzipETag() string { return d.gzipETag }

// Changed returns the time of the document's last change, in whole seconds. It may be ahead of the clock when there are
// several changes within a second, because readers tell documents apart by it.
func (d *Document) Changed() time.Time { return d.changed }

// Pretty returns the same JSON indented by two spaces, with a space after each colon, as a document with its own entity
// tag. The first call indents; later calls return the same content.
func (d *Document) Pretty() *Document { return &Document{d.pretty(), d.changed} }

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
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// gzipETag returns the entity tag of the compressed form, from that of the uncompressed one.
func gzipETag(etag string) string { return strings.TrimSuffix(etag, `"`) + `-gzip"` }

// compress returns bytes compressed, nil if that does not make them smaller.
func compress(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // a bytes.Buffer does not fail
	_ = z.Close()
	if b.Len() >= len(body) {
		return nil
	}
	return bytes.Clone(b.Bytes())
}
