package tokens_test

import (
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/patch/internal/tokens"
)

func Example() {
	r := tokens.NewReader([]byte(`{"name": "Composer", "patches": [ 1, 2 ]}`))
	r.Next()
	for r.Err() == nil && r.Kind() != '}' {
		name := r.Next().String()
		fmt.Println(name, "is", tokens.KindName(r.Kind()))
		fmt.Println(string(r.Value()))
	}
	// Output:
	// name is a string
	// "Composer"
	// patches is an array
	// [1,2]
}

// The first error of a text is kept, and reading on after it neither panics nor hides it.
func TestErr(t *testing.T) {
	for _, text := range []string{"", "{", `{"a" 1}`, `["\x"]`, "nul"} {
		r := tokens.NewReader([]byte(text))
		for range 4 {
			r.Next()
		}
		first := r.Err()
		r.Skip()
		if v := r.Value(); v != nil {
			t.Errorf("%q: after an error, the value is %s", text, v)
		}
		if first == nil || r.Err() != first {
			t.Errorf("%q: the error was %v and is %v", text, first, r.Err())
		}
	}
}
