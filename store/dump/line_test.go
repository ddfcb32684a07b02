package dump

import (
	"bytes"
	"encoding/json"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A plainLine is a line for encoding/json, which wrote and read all backups before.
type plainLine struct {
	Kind  string          `json:"kind,omitempty"`
	ID    string          `json:"id"`
	Value json.RawMessage `json:"value"`
}

// FuzzLine checks that lines are read as encoding/json reads them, and written as it writes them.
func FuzzLine(f *testing.F) {
	for _, text := range []string{
		`{"id":"a","value":{"format":1}}`,
		`{"kind":"history","id":"u/1","value":{"a":[1, 2.50,1e3],"b":"é\u00e9<&>\u2028"}}`,
		`{"ID":"a","Value":null,"other":[]}`,
		`{"id":"a","id":"b","value":{"a":1,"a":2}}`,
		"{\"id\":\"a\\u2028b\xff\",\"value\":\"\xff\\/\\ud800\"}",
		`{"id":"a","value":{}} `,
		`{"id":"a","value":{}}x`,
		`{"id":1,"value":{}}`,
		`{"id":"a"}`,
		`null`,
		``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want plainLine
		var got line
		wantErr := json.Unmarshal(text, &want)
		err := jsonv2.Unmarshal(text, &got, lineOptions)
		if wantErr == nil && err != nil {
			t.Fatalf("%q is not read: %v", text, err)
		}
		if wantErr != nil || err != nil {
			return
		}
		if got.Kind != want.Kind || got.ID != want.ID || !bytes.Equal(got.Value, want.Value) {
			t.Fatalf("%q is read as %q, want %q", text, got, want)
		}
		var plain, ours bytes.Buffer
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		if e.Encode(want) != nil {
			return
		}
		if err := jsonv2.MarshalEncode(jsontext.NewEncoder(&ours, lineOptions), got, lineOptions); err != nil {
			t.Fatalf("%q is not written: %v", text, err)
		}
		var again, wantAgain plainLine
		if json.Unmarshal(plain.Bytes(), &wantAgain) != nil || json.Unmarshal(ours.Bytes(), &again) != nil ||
			again.Kind != wantAgain.Kind || again.ID != wantAgain.ID || !bytes.Equal(again.Value, wantAgain.Value) {
			t.Fatalf("%q is written as %q, want %q", text, ours.Bytes(), plain.Bytes())
		}
	})
}
