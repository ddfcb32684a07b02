package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/filestore"
)

// A program with handlers and people of its own serves a patch source under /patch.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "patches")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ended := make(chan error)
	go func() { ended <- run(context.Background(), listener, dir) }()

	site := "http://" + listener.Addr().String()
	publish(site+"/patch/api/v1/title", "wrong password")
	publish(site+"/patch/api/v1/title", "secret")
	def, err := patch.Parse(read(site+"/patch/jamf/v1/patch/Firefox"), nil) // as Jamf Pro reads it
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(def.Name, def.CurrentVersion)
	fmt.Printf("%s", read(site+"/"))

	_ = listener.Close()
	<-ended
	// Output:
	// 401 Unauthorized
	// 201 Created
	// Mozilla Firefox 140.0
	// the rest of the program
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

// signIn returns the person who makes a request, as the program knows them.
func signIn(r *http.Request) (auth.Principal, error) {
	name, password, _ := r.BasicAuth()
	if name != "ann" || password != "secret" {
		return auth.Principal{}, auth.ErrUnauthorized
	}
	return auth.Principal{Grant: auth.Grant{Kind: auth.Administrator, Name: name}}, nil
}

// signInPage signs people in, and leads them to the patch source.
func signInPage(w http.ResponseWriter, r *http.Request) {
	if _, err := signIn(r); err != nil { // the browser asks for a name and a password
		w.Header().Set("WWW-Authenticate", `Basic realm="patchsource"`)
		http.Error(w, "Sign in with your name and password.", http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, "/patch/", http.StatusSeeOther)
}

// publish publishes a title as ann, and prints the status of the answer.
func publish(url, password string) {
	def, err := patch.NewDefinition(patch.Application{
		ID:        "Firefox",
		Name:      "Mozilla Firefox",
		Publisher: "Mozilla",
		BundleID:  "org.mozilla.firefox",
		FileName:  "Firefox.app",
		Version:   "140.0",
		MinimumOS: "10.15",
		Released:  time.Date(2025, 6, 24, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	body, err := json.Marshal(def)
	if err != nil {
		log.Fatal(err)
	}
	r, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	r.SetBasicAuth("ann", password)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	_ = res.Body.Close()
	fmt.Println(res.Status)
}

// read returns the body of an answer.
func read(url string) []byte {
	res, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	return body
}
