package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// maxComputersBytes is the maximum size of a file of computers.
const maxComputersBytes = 256 << 20

// readComputers returns the computers in a file: JSON as POST /api/v1/evaluate accepts it, an array of computers, or
// CSV of an inventory export.
func readComputers(path string) ([]patch.Computer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxComputersBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxComputersBytes {
		return nil, fmt.Errorf("the file has more than %d MiB: split it", maxComputersBytes>>20)
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	var computers []patch.Computer
	switch {
	case bytes.HasPrefix(data, []byte("[")):
		err = json.Unmarshal(data, &computers)
	case bytes.HasPrefix(data, []byte("{")):
		var request wire.EvaluateRequest
		err = json.Unmarshal(data, &request)
		computers = request.Computers
		if err == nil && computers == nil {
			err = errors.New(`the JSON has no "computers": add the array`)
		}
	default:
		return parseInventory(bytes.NewReader(data))
	}
	return computers, err
}

// An inventory collects the computers of an export. Each row is a computer with one of its applications.
type inventory struct {
	computers []patch.Computer
	byName    map[string]int
	columns   []string // the names of the columns, as in the header
	// applications reports whether there is a column about applications. Without one, they are unknown.
	applications bool
}

// The columns that are no facts or extension attributes, in lower case.
const (
	columnComputer = "computer name"
	columnOS       = "operating system version"
)

// applicationColumns are the columns about applications, in lower case, with what each sets.
var applicationColumns = map[string]func(a *patch.InstalledApplication) *string{
	"application title":     func(a *patch.InstalledApplication) *string { return &a.Name },
	"application name":      func(a *patch.InstalledApplication) *string { return &a.Name },
	"application bundle id": func(a *patch.InstalledApplication) *string { return &a.BundleID },
	"application version":   func(a *patch.InstalledApplication) *string { return &a.Version },
}

// parseInventory reads CSV with a header.
func parseInventory(r io.Reader) ([]patch.Computer, error) {
	rows := csv.NewReader(r)
	header, err := rows.Read()
	if err == io.EOF {
		return nil, errors.New("the file is empty: its first line has to name the columns")
	}
	if err != nil {
		return nil, err
	}
	inv := inventory{computers: []patch.Computer{}, byName: map[string]int{}}
	if err := inv.setHeader(header); err != nil {
		return nil, err
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return inv.computers, nil
		}
		if err != nil {
			return nil, err
		}
		inv.add(row)
	}
}

// setHeader sets the columns.
func (inv *inventory) setHeader(header []string) error {
	found := false
	seen := map[string]bool{}
	for _, name := range header {
		name = strings.TrimSpace(name)
		lower := strings.ToLower(name)
		if seen[lower] {
			return fmt.Errorf("the column %q is there twice: remove one", name)
		}
		seen[lower] = true
		found = found || lower == columnComputer
		inv.applications = inv.applications || applicationColumns[lower] != nil
		inv.columns = append(inv.columns, name)
	}
	if !found {
		return errors.New(`the file is neither JSON nor CSV with a column "Computer Name"`)
	}
	return nil
}

// add adds a row.
func (inv *inventory) add(row []string) {
	var name string
	for i, column := range inv.columns {
		if strings.EqualFold(column, columnComputer) {
			name = row[i]
		}
	}
	c := inv.computer(name)
	var app patch.InstalledApplication
	for i, column := range inv.columns {
		lower := strings.ToLower(column)
		switch field := applicationColumns[lower]; {
		case field != nil:
			*field(&app) = cmp.Or(*field(&app), row[i])
		case lower == columnOS:
			c.OSVersion = cmp.Or(c.OSVersion, row[i])
		case lower != columnComputer:
			c.ExtensionAttributes[column] = row[i]
			if row[i] != "" {
				c.Facts[column] = row[i]
			}
		}
	}
	if app != (patch.InstalledApplication{}) {
		c.Applications = append(c.Applications, app)
	}
}

// computer returns the computer of a name, and adds it if it is new.
func (inv *inventory) computer(name string) *patch.Computer {
	i, ok := inv.byName[name]
	if !ok {
		i = len(inv.computers)
		inv.byName[name] = i
		c := patch.Computer{Name: name, ExtensionAttributes: map[string]string{}, Facts: map[string]string{}}
		if inv.applications {
			c.Applications = []patch.InstalledApplication{}
		}
		inv.computers = append(inv.computers, c)
	}
	return &inv.computers[i]
}
