package webui_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// What is shown of a contributor's feed is what Jamf Pro takes, whether or not the API names the
// list itself.
func TestContributorSource(t *testing.T) {
	for _, urn := range []string{"jamf/v1/macman", "jamf/v1/macman/software"} {
		d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprintf(w, `[{"id":"macman","display_name":"macman","title_count":1,"urn":%q}]`, urn)
			return true
		}}
		h := newPage(some(), &webui.Options{API: d, Publishing: true, Site: "https://p.example.com"})
		if body := send(h, "GET", "/contributors", "").Body.String(); !strings.Contains(body,
			"<code>https://p.example.com/jamf/v1/macman</code>") {
			t.Errorf("%s: %s", urn, body)
		}
	}
}

// A contributor who lost the token has a new one mailed. The page asks as anybody, whoever is
// signed in, and says what the API says.
func TestContributorLostToken(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		status       int
		want         int
		says         string
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
		t.Run(c.name, func(t *testing.T) {
			d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.Method == "POST":
					w.Header().Set("Retry-After", "9")
					w.WriteHeader(c.status)
					fmt.Fprint(w, c.answer)
				case r.URL.Path == "/api/v1/contributors":
					fmt.Fprint(w, `[]`)
				default:
					return false
				}
				return true
			}}
			h := newPage(some(), &webui.Options{API: d, Publishing: true})
			w := send(h, "POST", "/contributors/token", "email=me%40example.com", "Cookie", asAdmin)
			last := len(d.asked) - 1
			if w.Code != c.want || d.asked[last] != "POST /api/v1/contributors/token" ||
				d.bodies[last] != `{"email":"me@example.com"}` {
				t.Errorf("%d %s %s", w.Code, d.asked[last], d.bodies[last])
			}
			body := w.Body.String()
			if w.Code == 303 {
				body = send(h, "GET", w.Header().Get("Location"), "", "Cookie", "patchsource_said="+cookie(w,
					"patchsource_said").Value).Body.String()
			} else if !strings.Contains(body, `value="me@example.com"`) || w.Header().Get("Retry-After") != "9" {
				t.Errorf("%v %s", w.Header(), body)
			}
			if !strings.Contains(body, c.says) {
				t.Errorf("it does not say %s: %s", c.says, body)
			}
		})
	}
	h := newPage(some(), &webui.Options{API: &desk{}, Publishing: true})
	for _, path := range []string{"/signin", "/contributors/token"} {
		if body := send(h, "GET", path, "").Body.String(); !strings.Contains(body, `/contributors/token"`) {
			t.Errorf("%s has no way to a new token: %s", path, body)
		}
	}
}
