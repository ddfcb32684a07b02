package webui

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// tryRows is the number of computers that can be typed without scripts.
const tryRows = 3

const (
	// maxTyped limits the number of computers that are typed, and maxTypedValues that of the values of extension
	// attributes of all of them.
	maxTyped       = 100
	maxTypedValues = 5000
)

// maxTryResults limits the number of computers whose results are shown.
const maxTryResults = 1000

// A tryPage asks what Jamf Pro would report for computers.
type tryPage struct {
	*working
	Message     string
	App, Bundle string
	Attributes  []patch.ExtensionAttribute
	Computers   []tryComputer
	Results     []tryResult
	More        int // the number of results that are not shown
}

// A tryComputer is a computer that was typed.
type tryComputer struct {
	Name, OS, Version string
	Values            []string // of the extension attributes
}

// A tryResult is what Jamf Pro would report for a computer.
type tryResult struct {
	Name, Version               string // an empty version is unknown
	Installed, Latest, Eligible bool
	Why                         []string
}

// newTryPage returns the page of a working copy.
func newTryPage(w *working) *tryPage {
	page := &tryPage{working: w, Attributes: w.Def.ExtensionAttributes}
	if w.Def.AppName != nil {
		page.App = *w.Def.AppName
	}
	if w.Def.BundleID != nil {
		page.Bundle = *w.Def.BundleID
	}
	page.fill()
	return page
}

// fill adds empty rows, unless the title has very many extension attributes.
func (p *tryPage) fill() {
	for len(p.Computers) < tryRows && len(p.Computers)*len(p.Attributes) < maxTypedValues {
		p.Computers = append(p.Computers, tryComputer{Values: make([]string, len(p.Attributes))})
	}
}

// tryForm shows the form.
func (p editorPages) tryForm() {
	if w, ok := p.working(); ok {
		p.visit.show(http.StatusOK, "try", "Try "+w.title(), newTryPage(w))
	}
}

// try evaluates the draft, or the definition, for computers: those that were typed, and those of a file.
func (p editorPages) try() {
	if !p.signedIn() {
		return
	}
	files, ok := p.uploaded(maxUpload)
	if !ok {
		return
	}
	w, ok := p.working()
	if !ok {
		return
	}
	page := newTryPage(w)
	computers := p.typedComputers(page)
	for _, f := range files {
		more, err := readInventory(f.Text, w.Def)
		if err != nil {
			page.Message = "The file cannot be used: " + err.Error() + "."
			p.visit.show(http.StatusBadRequest, "try", "Try "+w.title(), page)
			return
		}
		computers = append(computers, more...)
	}
	if len(computers) == 0 {
		page.Message = "Type a computer, or choose a file."
		p.visit.show(http.StatusBadRequest, "try", "Try "+w.title(), page)
		return
	}
	results, err := p.api.EvaluateDefinition(p.r.Context(), w.Text, computers)
	if err != nil {
		r := p.refusalOf(err)
		page.Message = r.Message
		if len(r.Errors) > 0 {
			page.Message = "The draft is not complete yet: correct its errors first."
		}
		p.again(r, "try", "Try "+w.title(), page)
		return
	}
	page.More = max(len(results)-maxTryResults, 0)
	for _, r := range results[:len(results)-page.More] {
		one := tryResult{Name: r.Name, Installed: r.Installed, Latest: r.Latest, Eligible: r.Eligible, Why: r.Why}
		if r.Version != nil {
			one.Version = *r.Version
		}
		page.Results = append(page.Results, one)
	}
	p.visit.show(http.StatusOK, "try", "Try "+w.title(), page)
}

// typedComputers returns the computers of the form, and adds what was typed to the page. A row in which nothing was
// typed is no computer.
func (p editorPages) typedComputers(page *tryPage) (all []patch.Computer) {
	form := p.r.PostForm
	page.App, page.Bundle = p.value("app"), p.value("bundle")
	names, systems, versions := form["computer"], form["os"], form["version"]
	page.Computers = nil
	rows := min(maxTyped, max(1, maxTypedValues/max(1, len(page.Attributes))))
	for i := range min(len(names), len(systems), len(versions), rows) {
		row := tryComputer{
			Name:    strings.TrimSpace(names[i]),
			OS:      strings.TrimSpace(systems[i]),
			Version: strings.TrimSpace(versions[i]),
			Values:  make([]string, len(page.Attributes)),
		}
		c := patch.Computer{
			Name:                row.Name,
			OSVersion:           row.OS,
			Applications:        []patch.InstalledApplication{},
			ExtensionAttributes: map[string]string{},
		}
		typed := row.Name + row.OS + row.Version
		for j, a := range page.Attributes {
			if values := form["attribute "+a.Key]; i < len(values) {
				row.Values[j] = strings.TrimSpace(values[i])
			}
			c.ExtensionAttributes[a.Key] = row.Values[j]
			typed += row.Values[j]
		}
		if typed == "" {
			continue
		}
		page.Computers = append(page.Computers, row)
		if c.Name == "" {
			c.Name = "Computer " + strconv.Itoa(len(page.Computers))
		}
		if row.Version != "" {
			app := patch.InstalledApplication{Name: page.App, BundleID: page.Bundle, Version: row.Version}
			c.Applications = append(c.Applications, app)
		}
		all = append(all, c)
	}
	page.fill()
	return all
}
