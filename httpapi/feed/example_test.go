package feed_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A program serves the feed beside handlers of its own.
func ExampleNew() {
	ctx := context.Background()
	titles, err := catalog.Open(ctx, memstore.New(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer titles.Close()
	if _, err := titles.Create(ctx, composer(), nil); err != nil {
		log.Fatal(err)
	}

	source, err := feed.New(titles, nil)
	if err != nil {
		log.Fatal(err)
	}
	root := http.NewServeMux()
	root.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	root.Handle("/patch/", http.StripPrefix("/patch", source))

	server := httptest.NewServer(root)
	defer server.Close()
	res, err := http.Get(server.URL + "/patch/jamf/v1/software?pretty")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(body))
	// Output:
	// [
	//   {
	//     "name": "Composer",
	//     "publisher": "Jamf",
	//     "lastModified": "2018-02-02T17:39:58Z",
	//     "currentVersion": "10.1.1",
	//     "id": "Composer"
	//   }
	// ]
}

// composer returns the definition of a title.
func composer() *patch.Definition {
	yes := true
	return &patch.Definition{
		ID:           "Composer",
		Name:         "Composer",
		Publisher:    "Jamf",
		LastModified: "2018-02-02T17:39:58Z",
		Requirements: []patch.Criterion{{
			Name:     "Application Bundle ID",
			Operator: "is",
			Value:    "com.jamfsoftware.Composer",
			Type:     "recon",
			And:      &yes,
		}},
		Patches: []patch.Patch{{Version: "10.1.1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}
}
