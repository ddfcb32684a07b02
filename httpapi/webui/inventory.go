package webui

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// readInventory returns the computers of a file: the body of POST /api/v1/evaluate, its list of computers, the answer
// of Jamf Pro's API for computers' inventory, or a CSV file with a row for each application of a computer, as Jamf Pro
// exports the results of a search. Extension attributes are found by their key or by their display name.
func readInventory(text []byte, d *patch.Definition) ([]patch.Computer, error) {
	var all []patch.Computer
	var err error
	switch trimmed := bytes.TrimSpace(text); {
	case len(trimmed) == 0:
		return nil, errors.New("it is empty")
	case trimmed[0] == '{' || trimmed[0] == '[':
		all, err = readJSONInventory(trimmed, d)
	default:
		all, err = readCSVInventory(text, d)
	}
	if err != nil {
		return nil, err
	}
	if len(all) > wire.MaxComputers {
		return nil, fmt.Errorf("it has %d computers, and at most %d are accepted", len(all), wire.MaxComputers)
	}
	return all, nil
}

// attributeKeys returns the keys of the extension attributes by their keys and display names in lower case.
func attributeKeys(d *patch.Definition) map[string]string {
	keys := map[string]string{}
	for _, a := range d.ExtensionAttributes {
		keys[strings.ToLower(a.DisplayName)] = a.Key
	}
	for _, a := range d.ExtensionAttributes {
		keys[strings.ToLower(a.Key)] = a.Key
	}
	delete(keys, "")
	return keys
}

// A jamfComputer is a computer in the answer of GET /api/v1/computers-inventory of Jamf Pro.
type jamfComputer struct {
	General struct {
		Name string `json:"name"`
	} `json:"general"`
	OperatingSystem struct {
		Version string `json:"version"`
	} `json:"operatingSystem"`
	Applications []struct {
		Name     string `json:"name"`
		BundleID string `json:"bundleId"`
		Version  string `json:"version"`
	} `json:"applications"`
	ExtensionAttributes []struct {
		Name   string   `json:"name"`
		Values []string `json:"values"`
	} `json:"extensionAttributes"`
}

func readJSONInventory(text []byte, d *patch.Definition) ([]patch.Computer, error) {
	if text[0] == '[' {
		text = bytes.Join([][]byte{[]byte(`{"computers":`), text, []byte(`}`)}, nil)
	}
	var file struct {
		Computers []patch.Computer `json:"computers"`
		Results   []jamfComputer   `json:"results"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("it is not JSON of a known form: %w", err)
	}
	all, keys := file.Computers, attributeKeys(d)
	for _, r := range file.Results {
		c := patch.Computer{
			Name:                r.General.Name,
			OSVersion:           r.OperatingSystem.Version,
			Applications:        []patch.InstalledApplication{},
			ExtensionAttributes: map[string]string{},
		}
		for _, a := range r.Applications {
			c.Applications = append(c.Applications, patch.InstalledApplication{
				Name: a.Name, BundleID: a.BundleID, Version: a.Version,
			})
		}
		for _, a := range r.ExtensionAttributes {
			if key := keys[strings.ToLower(a.Name)]; key != "" {
				c.ExtensionAttributes[key] = strings.Join(a.Values, "\n")
			}
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("it has no computers: it needs a list of them in computers, or in results " +
			"as in the answer of Jamf Pro's API")
	}
	return all, nil
}

// inventoryColumns are the names of the columns of a CSV file, in lower case, by what they have.
var inventoryColumns = map[string][]string{
	"name":    {"computer name", "computer", "name"},
	"os":      {"operating system version", "os version", "os_version", "os", "macos"},
	"app":     {"application title", "application name", "application", "app"},
	"bundle":  {"application bundle id", "bundle id", "bundle_id", "bundleid"},
	"version": {"application version", "version", "installed version"},
}

// A csvInventory is a table of computers whose header was read.
type csvInventory struct {
	column     map[string]int // the indices of the columns by what they have
	attributes map[int]string // the keys of the extension attributes in the other columns
	computers  []patch.Computer
	index      map[string]int // of the computers by their names
}

// readCSVInventory reads a table with a header. Rows with the same name are about one computer.
func readCSVInventory(text []byte, d *patch.Definition) ([]patch.Computer, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	if first, _, _ := bytes.Cut(text, []byte("\n")); bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		r.Comma = ';' // as in countries with a decimal comma
	}
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("it is not a CSV file: %w", err)
	}
	t := &csvInventory{column: map[string]int{}, attributes: map[int]string{}, index: map[string]int{}}
	if err := t.readHeader(header, attributeKeys(d)); err != nil {
		return nil, err
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return t.computers, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is not a CSV file: %w", err)
		}
		t.add(row)
	}
}

// readHeader finds the columns. keys are those of the extension attributes by their titles.
func (t *csvInventory) readHeader(header []string, keys map[string]string) error {
	whats := map[string]string{}
	for what, titles := range inventoryColumns {
		for _, title := range titles {
			whats[title] = what
		}
	}
	for i, title := range header {
		title = strings.ToLower(strings.TrimSpace(title))
		if key := keys[title]; key != "" {
			t.attributes[i] = key
			continue
		}
		what := whats[title]
		if _, taken := t.column[what]; what != "" && !taken {
			t.column[what] = i
		}
	}
	if _, ok := t.column["name"]; !ok {
		return errors.New("its first row has no column Computer Name")
	}
	return nil
}

// add adds a row. One without a name is ignored.
func (t *csvInventory) add(row []string) {
	at := func(what string) string {
		if i, ok := t.column[what]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	name := at("name")
	if name == "" {
		return
	}
	i, known := t.index[name]
	if !known {
		i = len(t.computers)
		t.index[name] = i
		t.computers = append(t.computers, patch.Computer{
			Name:                name,
			OSVersion:           at("os"),
			Applications:        []patch.InstalledApplication{},
			ExtensionAttributes: map[string]string{},
		})
	}
	c := &t.computers[i]
	for j := range row {
		if key := t.attributes[j]; key != "" {
			c.ExtensionAttributes[key] = strings.TrimSpace(row[j])
		}
	}
	app := patch.InstalledApplication{Name: at("app"), BundleID: at("bundle"), Version: at("version")}
	if app != (patch.InstalledApplication{}) {
		c.Applications = append(c.Applications, app)
	}
}
