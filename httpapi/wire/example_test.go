package wire_test

import (
	"encoding/json"
	"fmt"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// An error's code is the name of a member.
func ExampleError() {
	body, _ := json.Marshal(wire.Error{
		Message: "There is no title 'Composer'.",
		Code:    wire.CodeTitleNotFound,
		Detail:  "Composer",
	})
	fmt.Println(string(body))

	var e wire.Error
	err := json.Unmarshal(body, &e)
	fmt.Println(e.Code, e.Detail, err)
	// Output:
	// {"message":"There is no title 'Composer'.","title_not_found":"Composer"}
	// title_not_found Composer <nil>
}

// Titles are null for a token that is not limited to titles, and Expires is null for one that never expires.
func ExampleIdentity() {
	body, _ := json.Marshal(wire.Identity{ID: "7c1f", Kind: wire.Administrator})
	fmt.Println(string(body))
	// Output:
	// {"id":"7c1f","kind":"administrator","titles_in_scope":null,"contributor":null,"expires":null}
}
