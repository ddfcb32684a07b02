package webui

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

var inventoryDefinition = &patch.Definition{
	ExtensionAttributes: []patch.ExtensionAttribute{{Key: "app-version", DisplayName: "App Version"}},
}

func TestReadInventory(t *testing.T) {
	app := func(version string) patch.InstalledApplication {
		return patch.InstalledApplication{Name: "App.app", BundleID: "com.example.app", Version: version}
	}
	mac := func(name, os, attribute string, apps ...patch.InstalledApplication) patch.Computer {
		c := patch.Computer{Name: name, OSVersion: os, Applications: apps, ExtensionAttributes: map[string]string{}}
		if attribute != "" {
			c.ExtensionAttributes["app-version"] = attribute
		}
		if apps == nil {
			c.Applications = []patch.InstalledApplication{}
		}
		return c
	}
	const columns = "Computer Name,Operating System Version,Application Title,Application Bundle ID," +
		"Application Version,App Version\n"
	for name, c := range map[string]struct {
		text string
		want []patch.Computer
	}{
		"CSV": {
			columns + "a,14.1,App.app,com.example.app,2,2\nb,13,,,,1\n",
			[]patch.Computer{mac("a", "14.1", "2", app("2")), mac("b", "13", "1")},
		},
		"CSV of two applications": {
			columns + "a,14.1,App.app,com.example.app,2,2\nb,13,,,,1\na,14.1,App.app,com.example.app,1,2\n",
			[]patch.Computer{mac("a", "14.1", "2", app("2"), app("1")), mac("b", "13", "1")},
		},
		"CSV with semicolons": {
			"Computer;OS Version;Version\na;14;2\n",
			[]patch.Computer{mac("a", "14", "", patch.InstalledApplication{Version: "2"})},
		},
		"CSV with short rows": {
			columns + "a\n\n,15\n",
			[]patch.Computer{mac("a", "", "")},
		},
		"evaluate": {
			`{"computers":[{"name":"a","os_version":"14.1","applications":[{"name":"App.app",` +
				`"bundle_id":"com.example.app","version":"2"}],"extension_attributes":{"app-version":"2"}}]}`,
			[]patch.Computer{mac("a", "14.1", "2", app("2"))},
		},
		"list": {
			` [{"name":"a","applications":[],"extension_attributes":{}}]`,
			[]patch.Computer{mac("a", "", "")},
		},
		"Jamf Pro": {
			`{"totalCount":1,"results":[{"id":"1","general":{"name":"a"},"operatingSystem":{"version":"14.1"},` +
				`"applications":[{"name":"App.app","bundleId":"com.example.app","version":"2"}],` +
				`"extensionAttributes":[{"name":"app version","values":["2"]},{"name":"Other","values":["x"]}]}]}`,
			[]patch.Computer{mac("a", "14.1", "2", app("2"))},
		},
	} {
		got, err := readInventory([]byte(c.text), inventoryDefinition)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
	for name, text := range map[string]string{
		"empty":           " ",
		"another CSV":     "a,b\n1,2\n",
		"broken JSON":     `{"computers":[`,
		"other JSON":      `{"x":1}`,
		"no computers":    `[]`,
		"too many":        "Computer\n" + numbered(60_000),
		"unknown members": `{"computers":[{"name":7}]}`,
	} {
		if got, err := readInventory([]byte(text), inventoryDefinition); err == nil {
			t.Errorf("%s: no error, and %d computers", name, len(got))
		}
	}
}

// numbered returns n lines that differ.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("c" + strings.Repeat("i", i%7))
		data, _ := json.Marshal(i) // a number can be encoded
		b.Write(data)
		b.WriteByte('\n')
	}
	return b.String()
}

// No file makes reading panic, or returns computers beside an error.
func FuzzInventory(f *testing.F) {
	for _, text := range []string{
		"Computer Name,App Version\na,1\n", `{"computers":[{"name":"a"}]}`, `{"results":[{}]}`, "\"a;b\"\n;;\n", "[{}]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := readInventory(text, inventoryDefinition)
		if err != nil && all != nil {
			t.Errorf("an error and %d computers", len(all))
		}
	})
}
