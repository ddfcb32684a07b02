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

// A Document is JSON that is served as it is. It never changes, and its bytes
// must not be changed.
type Document struct {
	*content
	changed time.Time
}

// A content is the bytes of documents.
type content struct {
	body     []byte
	etag     string
	gzipETag string
	zipped   func() []byte
	pretty   func() *content
	indented atomic.Bool // pretty was called
}

// newDocument makes a document. grown, if not nil, is told how many bytes more
// it takes when it is first compressed.
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

// Pretty returns the same JSON indented by two spaces, with a space behind each colon, as its own document with its
// own entity tag. It is made once, when it is first asked for.
func (d *Document) Pretty() *Document { return &Document{d.pretty(), d.changed} }

// HasPretty reports whether [Document.Pretty] returns at once what it has made before.
func (d *Document) HasPretty() bool { return d.indented.Load() }

// maxIndented bounds how many times as large JSON may become by being indented. Definitions become two to three times
// as large; what is nested deeply, in members that nobody knows, could become sixty times as large.
const maxIndented = 4

// indent returns JSON indented. What would become too large, or is no JSON, such as a signed definition, stays as it is.
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

// indentedSize returns how many bytes JSON without white space has when it is indented.
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
				i++ // it stays on one line
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

// Bytes returns the JSON.
func (d *Document) Bytes() []byte { return d.body }

// ETag returns the strong entity tag of [Document.Bytes] (RFC 9110, with its
// quotes). It follows from the bytes alone, so that it outlives a restart.
func (d *Document) ETag() string { return d.etag }

// Gzip returns the JSON compressed, and its own strong entity tag. It is
// compressed once, when first asked for. Nil: it would be no smaller.
func (d *Document) Gzip() (data []byte, etag string) { return d.zipped(), d.gzipETag }

// GzipETag returns the entity tag of [Document.Gzip], and compresses nothing.
func (d *Document) GzipETag() string { return d.gzipETag }

// Changed returns when the document became what it is, in whole seconds. It lies
// ahead of the clock when changes come faster than seconds do, by a second for
// each that somebody has seen.
func (d *Document) Changed() time.Time { return d.changed }

// gzipETag returns the ETag of the compressed form of what etag is of.
func gzipETag(etag string) string { return strings.TrimSuffix(etag, `"`) + `-gzip"` }

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// compress returns nil for what gets no smaller.
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
