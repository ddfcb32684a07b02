// Command embed is a program with a patch source in it: beside the program's own handlers, under a prefix, for people
// whom the program knows.
//
//	go run ./examples/embed
//	curl http://127.0.0.1:8081/patch/jamf/v1/software
//	curl -u ann:secret --data-binary @definition.json http://127.0.0.1:8081/patch/api/v1/title
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/store/filestore"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:8081")
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s, with the patch source at /patch/jamf/v1", listener.Addr())
	log.Fatal(run(context.Background(), listener, "embed-data"))
}

// run serves the program, with a patch source under /patch, until the listener is closed.
func run(ctx context.Context, listener net.Listener, dir string) error {
	root := http.NewServeMux()
	root.HandleFunc("GET /{$}", hello)
	root.HandleFunc("GET /signin", signInPage)
	site := "http://" + listener.Addr().String() + "/patch"

	files, err := filestore.Open(dir, nil)
	if err != nil {
		return err
	}
	defer files.Close()
	source, err := server.Open(ctx, server.Config{
		Store:        files,
		Site:         site,
		Authenticate: signIn,
		Session:      &webui.Session{SignInURL: "/signin"},
	})
	if err != nil {
		return err
	}
	defer source.Close()
	go source.Run(ctx)
	root.Handle("/patch/", http.StripPrefix("/patch", source))

	return http.Serve(listener, root)
}

// hello is a page of the program's own.
func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "the rest of the program") }
