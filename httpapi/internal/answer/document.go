// Package answer serves documents over HTTP: conditionally (RFC 9110, section 13), compressed if the client accepts it,
// and indented if the client asks for it.
package answer

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

	"github.com/patchsource/patchsource/patch/catalog"
)

// A Document is a body with its entity tags. It never changes, and its bytes must not be changed. It is safe for
// concurrent use.
type Document interface {
	// Bytes returns the body, and ETag its strong entity tag (RFC 9110), with the quotes.
	Bytes() []byte
	ETag() string
	// Gzip returns the body compressed and the entity tag of that, or nil if it would be no smaller. It is compressed
	// once, when it is first asked for. GzipETag returns the tag and compresses nothing.
	Gzip() (data []byte, etag string)
	GzipETag() string
	// Changed returns the time of the document's last change, in whole seconds. If it is the zero time, the document is
	// not dated, and only its entity tags count.
	Changed() time.Time
	// Pretty returns the same JSON indented, as its own document. It is made once, when it is first asked for.
	// HasPretty reports whether it was.
	Pretty() Document
	HasPretty() bool
}

// Of returns a document of a catalog.
func Of(d *catalog.Document) Document { return catalogDocument{d} }

type catalogDocument struct{ *catalog.Document }

func (d catalogDocument) Pretty() Document { return catalogDocument{d.Document.Pretty()} }

// New returns a document of a body that is in no catalog.
func New(body []byte, changed time.Time) Document { return newStatic(body, changed) }

// Undated returns a document without a time. Servers over one store have lists that are equal, and so are their entity
// tags, but each server learns of a change at a time of its own. A client that sends the time of one server to another
// one could take an old list for the current one.
func Undated(d Document) Document { return undated{d} }

type undated struct{ Document }

func (undated) Changed() time.Time { return time.Time{} }

func (d undated) Pretty() Document { return undated{d.Document.Pretty()} }

// A static is a document of a given body.
type static struct {
	body     []byte
	etag     string
	changed  time.Time
	zip      sync.Once
	zipped   []byte
	pretty   sync.Once
	prettied atomic.Pointer[static]
}

func newStatic(body []byte, changed time.Time) *static {
	sum := sha256.Sum256(body)
	return &static{
		body:    body,
		etag:    `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
		changed: changed.Truncate(time.Second),
	}
}

func (d *static) Bytes() []byte      { return d.body }
func (d *static) ETag() string       { return d.etag }
func (d *static) Changed() time.Time { return d.changed }
func (d *static) GzipETag() string   { return strings.TrimSuffix(d.etag, `"`) + `-gzip"` }
func (d *static) HasPretty() bool    { return d.prettied.Load() != nil }

func (d *static) Gzip() (data []byte, etag string) {
	d.zip.Do(func() { d.zipped = compress(d.body) })
	return d.zipped, d.GzipETag()
}

func (d *static) Pretty() Document {
	d.pretty.Do(func() { d.prettied.Store(newStatic(indent(d.body), d.changed)) })
	return d.prettied.Load()
}

// compress returns nil for a body that becomes no smaller.
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

// maxIndented bounds the size of indented JSON, as a multiple of its size before. Definitions become two to three times
// as large; JSON that is nested deeply could become sixty times as large.
const maxIndented = 4

// indent returns JSON indented by two spaces. A body that would become too large, or is no JSON, stays as it is.
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

// indentedSize returns the size that JSON without white space has when it is indented.
func indentedSize(body []byte) int {
	size, depth, inString := len(body), 0, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if inString {
			if c == '\\' {
				i++
			}
			inString = c != '"'
			continue
		}
		switch c {
		case '"':
			inString = true
		case '{', '[':
			if i+1 < len(body) && (body[i+1] == '}' || body[i+1] == ']') {
				i++ // an empty one stays on its line
				continue
			}
			depth++
			size += 1 + 2*depth
		case '}', ']':
			depth--
			size += 1 + 2*depth
		case ',':
			size += 1 + 2*depth
		case ':':
			size++
		}
	}
	return size
}
