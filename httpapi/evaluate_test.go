package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/store/memstore"
)

func TestEvaluate(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	computers := func(n int) string { return strings.TrimSuffix(strings.Repeat("{},", n), ",") }
	for _, c := range []struct {
		name, body string
		status     int
		want       []string
	}{
		{
			"title", `{"title":"app","computers":[{"name":"b"},{"name":"a","applications":[]}]}`, 200,
			[]string{
				`{"computers":[{"name":"b","installed":false,"version":null,"latest":false,"eligible":true,"why":["`,
				`{"name":"a"`,
			},
		},
		{"definition", `{"definition":` + definition("B", "1") + `,"computers":[]}`, 200, []string{`{"computers":[]}`}},
		{"no title", `{"title":"nope","computers":[]}`, 404, []string{`"title_not_found":"nope"`}},
		{"neither", `{}`, 400, []string{`"/computers"`, "neither title nor definition"}},
		{"both", `{"title":"App","definition":{},"computers":[]}`, 400, []string{`"/definition"`}},
		{"definition failures", `{"definition":{"id":"a b"},"computers":0}`, 400,
			[]string{`"/computers"`, `"/definition/id"`, `"/definition/patches"`}},
		{"no JSON", `{"title":`, 400, []string{"invalid_json"}},
		{
			"every failure",
			`{"title":1,"computers":[1,null,{"name":1,"os_version":[]},{"applications":{}},{"applications":[2,` +
				`{"name":3,"bundle_id":"b"}],"extension_attributes":{"a/b":4},"facts":"x"}]}`, 400,
			[]string{`"/title"`, `"/computers/0"`, `"/computers/1"`, `"/computers/2/name"`, `"/computers/2/os_version"`,
				`"/computers/3/applications"`, `"/computers/4/applications/0"`, `"/computers/4/applications/1/name"`,
				`"/computers/4/extension_attributes/a~1b"`, `"/computers/4/facts"`},
		},
		{"most computers", `{"title":"App","computers":[` + computers(1000) + `]}`, 200, nil},
		{"too many", `{"title":"App","computers":[` + computers(1001) + `]}`, 413, []string{"1001", "too_large"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, b.do("POST", "/api/v1/evaluate", c.body), c.status, c.want...) })
	}
	many := `{"title":"App","computers":[` + computers(1001) + `]}`
	expect(t, b.asAdmin("POST", "/api/v1/evaluate", many), 200)
	if b.catalog.Len() != 1 {
		t.Errorf("evaluate stored %d titles", b.catalog.Len()-1)
	}
}

// Work that is too much for one request is refused.
func TestEvaluateSteps(t *testing.T) {
	b := newBench(t, memstore.New())
	criterion := `{"name":"Application Version","operator":"matches regex","value":"(.*a){50}%d","type":"recon",` +
		`"and":false}`
	var criteria []string
	for i := range 100 {
		criteria = append(criteria, fmt.Sprintf(criterion, i))
	}
	def := strings.Replace(definition("App", "1"), `"requirements":[`,
		`"requirements":[`+strings.Join(criteria, ",")+`,`, 1)
	app := `{"version":"` + strings.Repeat("a", 4000) + `"}`
	body := `{"definition":` + def + `,"computers":[{"applications":[` + app + "," + app + `]}]}`
	expect(t, b.do("POST", "/api/v1/evaluate", body), 413, "too many steps")
}
