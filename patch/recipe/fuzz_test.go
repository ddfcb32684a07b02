package recipe_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch/recipe"
)

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A recipe that is read can be written, and reads to the same. It makes a valid definition, and its next version.
func FuzzParse(f *testing.F) {
	f.Add([]byte(rectangle))
	f.Add([]byte(`{"name":"A","bundleId":"a.b","killApps":[],"feed":{"kind":"json","fields":{},"channel":"",` +
		`"as":"{a}","url":"https://u:p@h/?token=x&a=b"},"policy":{"hold":"0h","minRollout":1e-7,"patch":` +
		template + `}}`))
	f.Add([]byte(`{"name":"\u00e9<&>","bundleId":"a","requirements":[{"name":"a","operator":"b","value":"c",` +
		`"type":"d","and":false,"x":1.0}],"feed":{"kind":"x","tag":"\u2028"},` +
		`"policy":{"hold":"1h30m","interval":"2d"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := recipe.Parse(data)
		if err != nil {
			return
		}
		if err := r.Validate(); err != nil {
			t.Fatalf("Validate of a recipe that was read: %v", err)
		}
		written := marshal(t, r)
		again, err := recipe.Parse(written)
		if err != nil {
			t.Fatalf("Parse(%s): %v", written, err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("written as %s and read again: %s", written, diff)
		}
		shown := r.Redacted()
		if twice := shown.Redacted(); shown.Feed.URL != twice.Feed.URL {
			t.Errorf("%q is redacted to %q, and that to %q", r.Feed.URL, shown.Feed.URL, twice.Feed.URL)
		}
		if err := shown.Feed.KeepSecrets(r.Feed); err != nil || shown.Feed.URL != r.Feed.URL {
			t.Errorf("KeepSecrets restores %q, %v, want %q", shown.Feed.URL, err, r.Feed.URL)
		}
		d, err := r.Definition([]recipe.Release{{Version: "1.2.3", Build: "4", Date: released}}, now)
		if err != nil {
			t.Fatalf("Definition: %v", err)
		}
		w := r.Watch()
		p, err := recipe.NextPatch(&d.Patches[0], &w, recipe.Release{Version: "1.2.4", Build: "5"}, now)
		if err != nil || p.Version != "1.2.4" {
			t.Fatalf("NextPatch = %q, %v", p.Version, err)
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("the next patch: %v", err)
		}
	})
}
