// Command embed is a program that was there before, with a patch source built
// into it: beside its own handlers, under a prefix, with its own authentication.
//
//	go run ./examples/embed
//	curl http://127.0.0.1:8081/patch/jamf/v1/software
//	curl -u ann:secret --data-binary @definition.json http://127.0.0.1:8081/patch/api/v1/title
package main

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
)

func main() {
	files, err := filestore.Open("embed-data", nil)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newHandler(context.Background(), files)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:8081", Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Printf("listening on http://%s, the patch source is at /patch/jamf/v1", server.Addr)
	log.Fatal(server.ListenAndServe())
}

// newHandler is the program's own tree of handlers.
func newHandler(ctx context.Context, s store.Store) (http.Handler, error) {
	cat, err := catalog.Open(ctx, s, nil)
	if err != nil {
		return nil, err
	}
	cat.Subscribe(func(e catalog.Event) { slog.Info("a title was "+string(e.Kind), "title", e.Title.ID) })

	root := http.NewServeMux()
	root.HandleFunc(
		"GET /{$}",
		func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "the program that was there before") },
	)
	source, err := httpapi.New(cat, &httpapi.Options{Authenticate: passwords{"ann": "secret"}.Authenticate})
	if err != nil {
		return nil, err
	}
	root.Handle("/patch/", http.StripPrefix("/patch", source))
	return root, nil
}

// passwords is the program's own authentication: name and password. What it knows
// of people, it tells by an auth.Principal.
type passwords map[string]string

func (p passwords) Authenticate(r *http.Request) (auth.Principal, error) {
	name, password, ok := r.BasicAuth()
	want, known := p[name]
	if !ok || !known || subtle.ConstantTimeCompare([]byte(password), []byte(want)) != 1 {
		return auth.Principal{}, errPassword{}
	}
	return auth.Principal{TokenID: name, Grant: auth.Grant{Kind: auth.Administrator}}, nil
}

// An errPassword is a request without the name and the password of anybody: it says so,
// and which scheme to use.
type errPassword struct{}

func (errPassword) Error() string        { return "the name or the password is wrong" }
func (errPassword) Is(target error) bool { return target == auth.ErrUnauthorized }
func (errPassword) Challenge() string    { return `Basic realm="patchsource"` }
