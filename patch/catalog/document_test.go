package catalog

import "testing"

// indentedSize returns the size that indent makes.
func TestIndentedSize(t *testing.T) {
	for _, body := range []string{`{}`, `[]`, `{"a":1}`, `[1,2]`, `{"a":[{"b":[]},{"c":"\\\"["}],"d":{}}`} {
		// The line break at the end is not counted.
		if got, want := indentedSize([]byte(body)), len(indent([]byte(body)))-1; got != want {
			t.Errorf("%s: got %d bytes, want %d", body, got, want)
		}
	}
}
