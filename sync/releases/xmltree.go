package releases

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// An xmlNode is the document (whose name is empty), an element or a text of an XML document.
type xmlNode struct {
	// prefix and name are those of an element, as they are written: namespaces are not resolved.
	prefix, name string
	// text is the text, if the node is one.
	text   string
	isText bool
	attrs  []xml.Attr

	parent, first, last, previous, next *xmlNode
}

// append appends a child.
func (n *xmlNode) append(child *xmlNode) {
	child.parent, child.previous = n, n.last
	if n.last == nil {
		n.first = child
	} else {
		n.last.next = child
	}
	n.last = child
}

// element returns the first child that is an element, from a sibling on.
func element(n *xmlNode) *xmlNode {
	for n != nil && n.isText {
		n = n.next
	}
	return n
}

// readXML returns the tree of an XML document, without comments and processing instructions. Entities are the five
// predefined ones. The error is an ErrUnreadable.
func readXML(text []byte) (*xmlNode, error) {
	decoded, err := decodeXML(text)
	if err != nil {
		return nil, unreadable("the answer is not XML: %w", err)
	}
	d := xml.NewDecoder(bytes.NewReader(decoded))
	d.CharsetReader = charsetReader
	r := xmlReader{document: &xmlNode{}, left: maxNodes}
	r.at = r.document
	for err == nil {
		var token xml.Token
		if token, err = d.RawToken(); err == nil {
			err = r.read(token)
		}
	}
	root := element(r.document.first)
	switch {
	case errors.Is(err, errLimit):
		return nil, err
	case !errors.Is(err, io.EOF):
	case root == nil:
		err = errors.New("it has no element")
	case r.depth > 0:
		err = fmt.Errorf("it ends within the element %s", r.at.name)
	default:
		return r.document, nil
	}
	return nil, unreadable("the answer is not XML: %w%s", err, beginning(text))
}

// An xmlReader builds a tree from tokens within limits.
type xmlReader struct {
	document, at *xmlNode
	depth        int
	left         int // nodes and attributes that may follow
}

func (r *xmlReader) read(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		if r.depth == 0 || t.Name.Local != r.at.name || t.Name.Space != r.at.prefix {
			return fmt.Errorf("the end tag %s has no start tag", quote(cutTo(t.Name.Local, 40)))
		}
		r.at, r.depth = r.at.parent, r.depth-1
	case xml.CharData:
		return r.text(t)
	case xml.Directive:
		if bytes.Contains(t, []byte("<!ENTITY")) {
			return errors.New("it declares entities")
		}
	}
	return nil
}

func (r *xmlReader) start(t xml.StartElement) error {
	switch r.left -= 1 + len(t.Attr); {
	case r.left < 0:
		return tooMany
	case r.depth == maxDepth:
		return tooDeep
	case r.depth == 0 && element(r.document.first) != nil:
		return errors.New("it has more than one root element")
	}
	n := &xmlNode{prefix: t.Name.Space, name: t.Name.Local, attrs: t.Copy().Attr}
	r.at.append(n)
	r.at, r.depth = n, r.depth+1
	return nil
}

func (r *xmlReader) text(t xml.CharData) error {
	if r.depth == 0 {
		if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("it has text outside of its root element")
		}
		return nil
	}
	if r.left--; r.left < 0 {
		return tooMany
	}
	r.at.append(&xmlNode{isText: true, text: string(t)})
	return nil
}

// charsetReader decodes the character sets that declarations of XML documents name.
func charsetReader(charset string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "utf-8", "utf8", "us-ascii", "ascii", "utf-16":
		return input, nil
	case "iso-8859-1", "latin1":
		return charmap.ISO8859_1.NewDecoder().Reader(input), nil
	case "iso-8859-15":
		return charmap.ISO8859_15.NewDecoder().Reader(input), nil
	}
	if encoding, err := htmlindex.Get(charset); err == nil {
		return encoding.NewDecoder().Reader(input), nil
	}
	return nil, fmt.Errorf("its character set %s is not supported", quote(cutTo(charset, 40)))
}

var xml11 = regexp.MustCompile(`^(\s*<\?xml\s+version\s*=\s*["'])1\.1(["'])`)

// decodeXML returns an XML document in UTF-8 if it begins with a byte order mark. XML 1.1 is read as 1.0, which differs
// in rare characters only: package xml refuses it.
func decodeXML(text []byte) ([]byte, error) {
	decoded, err := decodeUTF16(text)
	if err != nil || !xml11.Match(decoded) {
		return decoded, err
	}
	return xml11.ReplaceAll(decoded, []byte("${1}1.0${2}")), nil
}

// decodeUTF16 returns a text in UTF-8 if it begins with a byte order mark.
func decodeUTF16(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("\xfe\xff")) || bytes.HasPrefix(text, []byte("\xff\xfe")) {
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder().Bytes(text)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// content returns the text of a node: its own, or that of all texts within it.
func (n *xmlNode) content(s *steps) (string, error) {
	if n.isText {
		return n.text, s.spend(1 + len(n.text)/bytesPerStep)
	}
	var out strings.Builder
	for at := n.first; at != nil; {
		if err := s.spend(1 + len(at.text)/bytesPerStep); err != nil {
			return "", err
		}
		out.WriteString(at.text)
		at = following(at, n)
	}
	return out.String(), nil
}

// following returns the node after a node in the order of the document, within an ancestor.
func following(n, within *xmlNode) *xmlNode {
	if n.first != nil {
		return n.first
	}
	for n != within {
		if n.next != nil {
			return n.next
		}
		n = n.parent
	}
	return nil
}
