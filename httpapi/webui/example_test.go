package webui_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// The page shows the titles of a catalog. Without an API, it is read-only.
func Example() {
	titles := &fakeCatalog{titles: []webui.Title{
		{ID: "Composer", Name: "Composer", Publisher: "Jamf", Version: "10.1.1"},
	}}
	page, err := webui.New(titles, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `<a href="/titles/Composer">Composer</a>`))
	// Output: 200 true
}

// A program that signs people in itself has links to its own pages in place of the form for a token.
func ExampleSession() {
	api := http.NotFoundHandler() // httpapi.New, with an Authenticator that knows the program's cookie
	page, err := webui.New(&fakeCatalog{}, &webui.Options{
		API:     api,
		Session: &webui.Session{SignInURL: "/login", SignOutURL: "/logout"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `<a href="/login">Sign in</a>`))
	// Output: 200 true
}
