package releases

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
)

// xmlTokens reads the tokens of an XML document. It knows no entities but the five of XML, and bounds the depth.
type xmlTokens struct {
	decoder *xml.Decoder
	depth   int
}

// newXMLTokens returns a reader of the tokens of a document.
func newXMLTokens(body []byte) (*xmlTokens, error) {
	text, err := decodeXML(bytes.TrimLeft(body, " \t\r\n"))
	if err != nil {
		return nil, unreadable("the answer is not XML: %w", err)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = charsetReader
	return &xmlTokens{decoder: d}, nil
}

// token returns the next token, or io.EOF. Other errors are ErrUnreadable. The token is valid until the next call.
func (r *xmlTokens) token() (xml.Token, error) {
	t, err := r.decoder.Token()
	switch {
	case err == io.EOF:
		return nil, err
	case err != nil:
		return nil, unreadable("the answer is not XML: %w", err)
	}
	switch t := t.(type) {
	case xml.StartElement:
		if r.depth++; r.depth > maxDepth {
			return nil, unreadable("the XML has more than %d levels of elements", maxDepth)
		}
	case xml.EndElement:
		r.depth--
	case xml.Directive:
		if bytes.Contains(bytes.ToUpper(t), []byte("<!ENTITY")) {
			return nil, unreadable("the XML declares entities")
		}
	}
	return t, nil
}

// text returns the text of the element that was started last, without that of elements in it, and reads to its end.
func (r *xmlTokens) text() (string, error) {
	start := r.depth
	var text strings.Builder
	for {
		t, err := r.token()
		if err != nil {
			return "", unexpectedEnd(err)
		}
		switch t := t.(type) {
		case xml.CharData:
			if r.depth == start {
				text.Write(t)
			}
		case xml.EndElement:
			if r.depth < start {
				return strings.TrimSpace(text.String()), nil
			}
		}
	}
}

// skip reads to the end of the element that was started last.
func (r *xmlTokens) skip() error {
	for start := r.depth; r.depth >= start; {
		if _, err := r.token(); err != nil {
			return unexpectedEnd(err)
		}
	}
	return nil
}

// unexpectedEnd returns the error for a document that ends within an element.
func unexpectedEnd(err error) error {
	if err == io.EOF {
		return unreadable("the XML ends too early")
	}
	return err
}
