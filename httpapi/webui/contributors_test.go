package webui_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// The address of a contributor's feed is the one that Jamf Pro takes, without the path of the list.
func TestContributorSource(t *testing.T) {
	for _, urn := range []string{"jamf/v1/macman", "jamf/v1/macman/software"} {
		api := &fakeAPI{answer: func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprintf(w, `[{"id":"macman","display_name":"macman","title_count":1,"urn":%q}]`, urn)
			return true
		}}
		h := newPage(oneTitle(), &webui.Options{API: api, Publishing: true, Site: "https://p.example.com"})
		wantPage(t, send(h, "GET", "/contributors", ""), 200, "<code>https://p.example.com/jamf/v1/macman</code>")
	}
}

// A contributor who lost the token can have a new one mailed. The request has no token, even if a visitor is signed
// in, and the page shows the message of the API.
func TestLostToken(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		status       int
		want         int
		text         string
	}{
		{
			"mailed, or not", `{"message":"If it is a contributor's, a new token is on its way there."}`, 202, 303,
			"a new token is on its way there.",
		},
		{
			"no address", `{"message":"Refused.","errors":[{"path":"/email","message":"must be an address"}]}`, 400,
			400, `id="fault-email" role="alert">must be an address`,
		},
		{"too often", `{"message":"Slowly."}`, 429, 429, "Slowly."},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == "POST" {
					w.Header().Set("Retry-After", "9")
					w.WriteHeader(test.status)
					fmt.Fprint(w, test.answer)
				}
				return r.Method == "POST"
			}}
			h := newPage(oneTitle(), &webui.Options{API: api, Publishing: true})
			w := sendAsAdmin(h, "POST", "/contributors/token", "email=me%40example.com")
			request, body := api.lastRequest(), api.lastBody()
			if request != "POST /api/v1/contributors/token" || body != `{"email":"me@example.com"}` {
				t.Errorf("the API was asked %s: %s", request, body)
			}
			if test.want == 303 {
				wantPage(t, notice(t, h, w), 200, test.text)
				return
			}
			wantPage(t, w, test.want, test.text, `value="me@example.com"`)
			if w.Header().Get("Retry-After") != "9" {
				t.Errorf("the header is %v", w.Header())
			}
		})
	}
	h := newPage(oneTitle(), &webui.Options{API: &fakeAPI{}, Publishing: true})
	for _, path := range []string{"/signin", "/contributors/token"} {
		wantPage(t, send(h, "GET", path, ""), 200, `/contributors/token"`)
	}
}

// The link in the mail to a new contributor leads to a page that passes its code on to the API.
func TestVerify(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, `{"message":"Welcome, <macman>."}`)
		return true
	}}
	h := newPage(oneTitle(), &webui.Options{API: api, Publishing: true})
	w := send(h, "GET", "/api/v1/contributors/verify?code=a%2Bb&id=macman", "", "Accept", "text/html")
	wantPage(t, w, 200, "Welcome, &lt;macman&gt;.")
	if got := api.lastRequest(); got != "GET /api/v1/contributors/verify?code=a%2Bb&id=macman" {
		t.Errorf("the API was asked %s", got)
	}
	if !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		t.Errorf("the header is %v", w.Header())
	}
}
