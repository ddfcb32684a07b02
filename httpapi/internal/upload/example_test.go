package upload_test

import (
	"fmt"
	"io"

	"github.com/patchsource/patchsource/httpapi/internal/upload"
)

// The file is written, read from its beginning, and removed when it is closed.
func ExampleCreate() {
	file, err := upload.Create("")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	fmt.Fprint(file, "a body")
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(file)
	fmt.Println(string(text), err)
	// Output:
	// a body <nil>
}
