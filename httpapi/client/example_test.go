package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store/memstore"
)

// A handlerTransport answers requests by calling a handler in the same process.
type handlerTransport struct{ http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.ServeHTTP(w, r)
	return w.Result(), nil
}

// exampleClient returns a client of a new patch source in the same process, with an administrator's token.
func exampleClient(ctx context.Context) (c *client.Client, done func(), err error) {
	source, err := server.Open(ctx, server.Config{
		Store:                memstore.New(),
		AllowPrivateNetworks: true, // for the vendor's server of an example
	})
	if err != nil {
		return nil, nil, err
	}
	token, _, err := source.Tokens.Issue(ctx, auth.Grant{Kind: auth.Administrator})
	if err == nil {
		c, err = client.New("http://localhost", &client.Options{
			Token: token,
			HTTP:  &http.Client{Transport: handlerTransport{source}},
		})
	}
	return c, func() { _ = source.Close() }, err
}

// Put creates a title the first time and replaces its definition from then on.
func Example() {
	ctx := context.Background()
	c, done, err := exampleClient(ctx) // client.New("https://patches.example.com", &client.Options{Token: token})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer done()

	definition := &patch.Definition{
		ID:        "Composer",
		Name:      "Composer",
		Publisher: "Jamf",
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: "com.jamf.composer", Type: "recon", And: new(true)},
		},
		Patches: []patch.Patch{
			{Version: "10.1.1", ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9"},
		},
	}
	answer, created, err := c.Put(ctx, definition)
	fmt.Println(answer.Message, created, err)

	for title, err := range c.Titles(ctx, &client.Filter{Publisher: "Jamf"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(title.ID, title.CurrentVersion)
	}
	// Output:
	// Title 'Composer' created true <nil>
	// Composer 10.1.1
}

// The kind of an error is compared with errors.Is. Its details are in a *client.Error.
func ExampleError() {
	ctx := context.Background()
	c, done, err := exampleClient(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer done()

	_, err = c.Create(ctx, &patch.Definition{ID: "Composer", Name: "Composer"})
	fmt.Println(errors.Is(err, client.ErrInvalid), client.IsTransient(err))

	var answered *client.Error
	if errors.As(err, &answered) {
		fmt.Println(answered.Status, answered.Code)
		for _, f := range answered.Failures {
			fmt.Println(f.Path)
		}
	}
	// Output:
	// true false
	// 400 invalid_json
	// /requirements
	// /patches
}

// A title is created from a recipe and follows its vendor's release feed. Versions in a new form wait for a person.
func Example_recipes() {
	ctx := context.Background()
	c, done, err := exampleClient(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer done()
	versions := make(chan string, 1)
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v := <-versions
		versions <- v
		fmt.Fprintf(w, `{"version": %q}`, v)
	}))
	defer vendor.Close()

	versions <- "1.9"
	atlas := &recipe.Recipe{
		Name:     "Atlas",
		BundleID: "com.example.atlas",
		Feed:     recipe.Feed{Kind: "json", URL: vendor.URL, Version: "$.version"},
	}
	answer, err := c.CreateFromRecipe(ctx, atlas)
	fmt.Println(answer.ID, err)

	<-versions
	versions <- "1.10"
	check, err := c.CheckWatch(ctx, answer.ID, nil) // the server checks the feed each hour by itself
	fmt.Println(check.Added, err)

	<-versions
	versions <- "2026.1"
	if _, err := c.CheckWatch(ctx, answer.ID, nil); err != nil {
		fmt.Println(err)
	}
	proposals, err := c.Proposals(ctx)
	for _, p := range proposals {
		_, err = c.Reject(ctx, p.ID)
		fmt.Println(p.Title, p.Versions, err)
	}
	if err != nil {
		fmt.Println(err)
	}

	watches, err := c.Watches(ctx, wire.WatchOK)
	for _, w := range watches {
		fmt.Println(w.Title, *w.State.Newest, w.State.Status)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Atlas <nil>
	// [1.10] <nil>
	// Atlas [2026.1] <nil>
	// Atlas 2026.1 ok
}
