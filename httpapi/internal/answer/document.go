// Package answer serves documents over HTTP: conditionally (RFC 9110, section 13), compressed if the client accepts it,
// and indented if the client asks for it.
package answer

import (
	"io"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// A Document is a body with its entity tags. It never changes, and its bytes must not be changed. It is safe for
// concurrent use.
type Document interface {
	// Bytes returns the body, and ETag its strong entity tag (RFC 9110), with the quotes. Size returns the length of
	// the body, and WriteTo writes it; they need no copy of a large one.
	Bytes() []byte
	ETag() string
	Size() int
	WriteTo(w io.Writer) (int64, error)
	// GzipSize returns the length of the body compressed, or 0 if it would be no smaller. It is compressed once, when
	// it is first asked for. WriteGzipTo writes it. GzipETag returns its entity tag and compresses nothing.
	GzipSize() int
	WriteGzipTo(w io.Writer) (int64, error)
	GzipETag() string
	// Changed returns the time of the document's last change, in whole seconds. If it is the zero time, the document is
	// not dated, and only its entity tags count. LastModified returns it as the value of a header, and an empty string
	// for the zero time.
	Changed() time.Time
	LastModified() string
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
func New(body []byte, changed time.Time) Document { return Of(catalog.NewDocument(body, changed)) }

// Undated returns a document without a time. Servers over one store have lists that are equal, and so are their entity
// tags, but each server learns of a change at a time of its own. A client that sends the time of one server to another
// one could take an old list for the current one.
func Undated(d Document) Document { return undated{d} }

type undated struct{ Document }

func (undated) Changed() time.Time { return time.Time{} }

func (undated) LastModified() string { return "" }

func (d undated) Pretty() Document { return undated{d.Document.Pretty()} }
