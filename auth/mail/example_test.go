package mail_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/patchsource/patchsource/auth/mail"
)

func Example() {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	outbox, err := mail.NewOutbox(dir, "Patches <patches@example.com>")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer outbox.Close()
	m := mail.Message{To: "ann@example.com", Subject: "Your token", Text: "It is pst_…"}
	err = outbox.Send(context.Background(), m)
	files, _ := filepath.Glob(filepath.Join(dir, "*.eml"))
	fmt.Println(len(files), err)
	// Output: 1 <nil>
}

func ExampleNewSMTP() {
	_, err := mail.NewSMTP("smtp://ann:secret@mail.example.com:99999", "patches@example.com", nil)
	fmt.Println(err)
	// Output: mail: smtp://ann:xxxxx@mail.example.com:99999: 99999 is not a port
}
