package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A program with handlers of its own serves a feed beside them.
func ExampleNewFeed() {
	ctx := context.Background()
	cat, err := catalog.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cat.Close()
	yes := true
	if _, err := cat.Create(ctx, &patch.Definition{
		ID: "Composer", Name: "Composer", Publisher: "Jamf", LastModified: "2018-02-02T17:39:58Z",
		Requirements: []patch.Criterion{{Name: "Application Bundle ID", Operator: "is", Value: "com.jamfsoftware.Composer", Type: "recon", And: &yes}},
		Patches:      []patch.Patch{{Version: "10.1.1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}, nil); err != nil {
		fmt.Println(err)
		return
	}

	feed, err := httpapi.NewFeed(cat, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	root := http.NewServeMux()
	root.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	root.Handle("/patch/", http.StripPrefix("/patch", feed))

	server := httptest.NewServer(root)
	defer server.Close()
	res, err := http.Get(server.URL + "/patch/jamf/v1/software")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(string(body))
	// Output:
	// [{"name":"Composer","publisher":"Jamf","lastModified":"2018-02-02T17:39:58Z","currentVersion":"10.1.1","id":"Composer"}]
}
