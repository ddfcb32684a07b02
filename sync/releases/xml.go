package releases

import (
	"github.com/patchsource/patchsource/patch/recipe"
)

// xmlKind reads XML documents by XPath: items is the path of the list of releases, and version, build, date, minOS,
// rollout and fields are relative to an item, or to the document. Names are compared with their prefixes as they are
// written, so that an element of a default namespace has its plain name.
type xmlKind struct{}

// Request implements [Kind].
func (xmlKind) Request(f recipe.Feed, _ bool) (Request, error) {
	return pathRequest(f, compileXPath, "application/xml, text/xml, */*;q=0.5")
}

// Read implements [Kind].
func (xmlKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	if err := checkStatus(a); err != nil {
		return nil, nil, err
	}
	q, err := compileQueries(f, compileXPath)
	if err != nil {
		return nil, nil, err
	}
	document, err := readXML(a.Body)
	if err != nil {
		return nil, nil, err
	}
	found, err := readItems(f, q, document)
	return found, nil, err
}
