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
	"github.com/patchsource/patchsource/patch"
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
	source, err := server.Open(ctx, server.Config{Store: memstore.New()})
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
