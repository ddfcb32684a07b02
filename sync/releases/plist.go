package releases

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// plistKind reads property lists in XML by the paths of the kind json. Package plist is not used for it: if it decodes
// without a type, a file of some hundred bytes can exhaust the memory.
type plistKind struct{}

// Request implements [Kind].
func (plistKind) Request(f recipe.Feed, _ bool) (Request, error) {
	return pathRequest(f, compileJSONPath, "application/x-plist, application/xml, */*;q=0.5")
}

// Read implements [Kind].
func (plistKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	if err := checkStatus(a); err != nil {
		return nil, nil, err
	}
	q, err := compileQueries(f, compileJSONPath)
	if err != nil {
		return nil, nil, err
	}
	document, err := readPropertyList(a.Body)
	if err != nil {
		return nil, nil, err
	}
	found, err := readItems(f, q, document)
	return found, nil, err
}

// readPropertyList returns the value of a property list in XML, as package encoding/json returns that of a JSON text
// with UseNumber. Dates and data are texts. The error is an ErrUnreadable.
func readPropertyList(text []byte) (any, error) {
	if bytes.HasPrefix(text, []byte("bplist")) {
		return nil, unreadable("the answer is a binary property list, and only those in XML are read")
	}
	document, err := readXML(text)
	if err != nil {
		return nil, err
	}
	root := element(document.first)
	if root.name != "plist" {
		return nil, unreadable("the answer is no property list: its root element is %s", quote(cutTo(root.name, 40)))
	}
	first := element(root.first)
	switch {
	case first == nil:
		return nil, unreadable("the property list is empty")
	case element(first.next) != nil:
		return nil, unreadable("the property list has more than one value")
	}
	return propertyValue(first)
}

// propertyValue returns the value of an element of a property list. The depth of the document is bounded.
func propertyValue(n *xmlNode) (any, error) {
	switch n.name {
	case "dict":
		return propertyDict(n)
	case "array":
		list := []any{}
		for e := element(n.first); e != nil; e = element(e.next) {
			v, err := propertyValue(e)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case "true", "false":
		return n.name == "true", nil
	}
	text, err := propertyText(n)
	switch {
	case err != nil:
		return nil, err
	case n.name == "string", n.name == "date", n.name == "data":
		return text, nil
	case n.name == "integer", n.name == "real":
		return json.Number(strings.TrimSpace(text)), nil
	}
	return nil, unreadable("the property list has an element %s, which is no value", quote(cutTo(n.name, 40)))
}

func propertyDict(n *xmlNode) (any, error) {
	members := map[string]any{}
	for e := element(n.first); e != nil; e = element(e.next) {
		if e.name != "key" {
			return nil, unreadable("the property list has a value without a key: %s", quote(cutTo(e.name, 40)))
		}
		key, err := propertyText(e)
		if err != nil {
			return nil, err
		}
		if e = element(e.next); e == nil {
			return nil, unreadable("the property list has a key without a value: %s", quote(beginningOf(key)))
		}
		if members[key], err = propertyValue(e); err != nil {
			return nil, err
		}
	}
	return members, nil
}

// propertyText returns the text of an element that has nothing but text.
func propertyText(n *xmlNode) (string, error) {
	if e := element(n.first); e != nil {
		return "", unreadable("the property list has an element %s within %s",
			quote(cutTo(e.name, 40)), quote(cutTo(n.name, 40)))
	}
	return n.content(newSteps())
}
