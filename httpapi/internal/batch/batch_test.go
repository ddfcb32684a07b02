package batch_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/internal/batch"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/patch"
)

const definition = `{"id":"App","name":"App","publisher":"P","appName":null,"bundleId":null,` +
	`"lastModified":"2018-02-02T17:39:58Z","requirements":[{"name":"Application Bundle ID","operator":"is",` +
	`"value":"x","type":"recon","and":true}],"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z",` +
	`"standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],` +
	`"capabilities":[]}],"extensionAttributes":[]}`

func ExampleRead() {
	body := "[" + definition + `, {"id": "B"}]`
	members, err := batch.Read(strings.NewReader(body), int64(len(body)), 1<<20)
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range members {
		fmt.Println(m.Name, err == nil)
	}
	// Output:
	// /0 true
	// /1 false
}

// maxBytes bounds a definition in these tests.
const maxBytes = 2000

func TestRead(t *testing.T) {
	large := `{"x":"` + strings.Repeat("x", 3*maxBytes) + `"}`
	for name, c := range map[string]struct {
		body string
		want string // the names of the members, each with an exclamation mark if it is an error
	}{
		"array":            {"[" + definition + "," + definition + "]", "/0 /1"},
		"empty array":      {" [ ] ", ""},
		"truncated array":  {"[" + definition + ",{", "/0 /1!"},
		"text after array": {"[" + definition + "] x", "/0 /1!"},
		"lines":            {definition + "\n\n{\n" + definition, "line 1 line 3! line 4"},
		"one definition":   {strings.ReplaceAll(definition, ",", ",\n"), "line 1"},
		"mark":             {"\ufeff" + definition + "\n" + definition + "\n", "line 1 line 2"},
		"long line":        {definition + "\n" + large + "\n" + definition, "line 1 line 2! line 3"},
	} {
		t.Run(name, func(t *testing.T) {
			members, err := batch.Read(strings.NewReader(c.body), int64(len(c.body)), maxBytes)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for m, err := range members {
				if err != nil {
					m.Name += "!"
				} else if m.Definition.ID != "App" {
					t.Errorf("%s has the definition %+v", m.Name, m.Definition)
				}
				got = append(got, m.Name)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A definition in an array that is too large ends the array.
func TestLargeDefinition(t *testing.T) {
	const readAhead = 64 << 10
	body := `[{"x":"` + strings.Repeat("x", readAhead+3*maxBytes) + `"},` + definition + "]"
	members, err := batch.Read(strings.NewReader(body), int64(len(body)), maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, err := range members {
		errs = append(errs, err)
	}
	if len(errs) != 1 || !errors.Is(errs[0], patch.ErrTooLarge) {
		t.Errorf("got the errors %v, want one that the definition is too large", errs)
	}
}

func TestReadFails(t *testing.T) {
	var request *problem.RequestError
	if _, err := batch.Read(strings.NewReader(" \n"), 2, maxBytes); !errors.As(err, &request) {
		t.Errorf("an empty body: got error %v", err)
	}
	if _, err := batch.Read(bytes.NewReader([]byte("<html>")), 6, maxBytes); !errors.Is(err, problem.ErrMediaType) {
		t.Errorf("a body of another type: got error %v", err)
	}
}
