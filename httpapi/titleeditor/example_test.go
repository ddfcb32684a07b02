package titleeditor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/httpapi/titleeditor"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A program serves Title Editor's API beside the feed. A script logs in, creates a title, adds a version and enables
// the title.
func Example() {
	ctx := context.Background()
	store := memstore.New()
	titles, err := catalog.Open(ctx, store, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer titles.Close()
	tokens, err := auth.Open(ctx, store, nil)
	if err != nil {
		log.Fatal(err)
	}
	password, _, err := tokens.Issue(ctx, auth.Grant{Kind: auth.Administrator})
	if err != nil {
		log.Fatal(err)
	}
	editor, err := titleeditor.New(&titleeditor.Config{Catalog: titles, Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	source, err := feed.New(titles, nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v2/", editor)
	mux.Handle("/jamf/v1/", source)
	server := httptest.NewServer(mux)
	defer server.Close()

	s := &script{url: server.URL}
	s.login("ann", password)
	title := s.call("POST", "/v2/softwaretitles", `{"id": "Example", "name": "Example", "publisher": "Example Inc.",
		"requirements": [{"name": "Application Bundle ID", "operator": "is", "value": "com.example",
			"type": "recon"}]}`)
	path := fmt.Sprintf("/v2/softwaretitles/%v", title["softwareTitleId"])
	version := s.call("POST", path+"/patches", `{"version": "1.0", "minimumOperatingSystem": "14.0",
		"components": [{"criteria": [{"name": "Application Version", "operator": "is", "value": "1.0",
			"type": "recon"}]}],
		"capabilities": [{"name": "Operating System Version", "operator": "greater than or equal", "value": "14.0",
			"type": "recon"}]}`)
	fmt.Println("version", version["version"], "enabled:", version["enabled"])
	title = s.call("PUT", path, `{"enabled": true, "currentVersion": "1.0"}`)
	fmt.Println("title", title["name"], "enabled:", title["enabled"])

	served := s.call("GET", "/jamf/v1/patch/Example", "")
	fmt.Println("served:", served["name"], served["currentVersion"])
	// Output:
	// version 1.0 enabled: true
	// title Example enabled: true
	// served: Example 1.0
}

// A script calls the API of a server.
type script struct{ url, session string }

// login begins a session.
func (s *script) login(user, password string) {
	r, err := http.NewRequest("POST", s.url+"/v2/auth/tokens", nil)
	if err != nil {
		log.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	s.session, _ = s.do(r)["token"].(string)
}

// call makes a call and returns the object in the answer.
func (s *script) call(method, path, body string) map[string]any {
	r, err := http.NewRequest(method, s.url+path, bytes.NewBufferString(body))
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.session)
	return s.do(r)
}

// do sends a request and returns the object in the answer.
func (s *script) do(r *http.Request) (object map[string]any) {
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s, %v: %s", r.URL.Path, res.Status, err, text)
	}
	if err := json.Unmarshal(text, &object); err != nil {
		log.Fatal(err)
	}
	return object
}
