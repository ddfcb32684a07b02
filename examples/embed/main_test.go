package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

const definition = `{"id":"A","name":"A","publisher":"P","appName":null,"bundleId":null,
	"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],
	"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"",
		"reboot":false,"killApps":[],"components":[],"capabilities":[]}],"extensionAttributes":[]}`

// start runs the program until the test ends, and returns its URL.
func start(t *testing.T) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ended := make(chan error, 1)
	go func() { ended <- run(t.Context(), listener, dir) }()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return "http://" + listener.Addr().String()
}

func TestEmbedded(t *testing.T) {
	const wrong = "The name or the password is wrong."
	url := start(t)
	for _, c := range []struct {
		name, method, path, body, password string
		status                             int
		want                               string // in the answer
	}{
		{"its own page", "GET", "/", "", "", 200, "the rest of the program"},
		{"no password", "POST", "/patch/api/v1/title", definition, "", 401, wrong},
		{"a wrong password", "POST", "/patch/api/v1/title", definition, "guess", 401, wrong},
		{"the right password", "POST", "/patch/api/v1/title", definition, "secret", 201, `"id":"A"`},
		{"the feed", "GET", "/patch/jamf/v1/software", "", "", 200, `"currentVersion":"1"`},
		{"the page", "GET", "/patch/", "", "", 200, `<a href="/signin">Sign in</a>`},
		{"the page, signed in", "GET", "/patch/", "", "secret", 200, "<span>Administrator</span>"},
		{"the sign-in page", "GET", "/signin", "", "", 401, "your name and password"},
		{"signing in", "GET", "/signin", "", "secret", 200, "<span>Administrator</span>"},
		{"the documentation", "GET", "/patch/docs/api", "", "", 200, `src="docs.js"`},
		{"its script", "GET", "/patch/docs/docs.js", "", "", 200, "SwaggerUIBundle"},
	} {
		r, err := http.NewRequest(c.method, url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.password != "" {
			r.SetBasicAuth("ann", c.password)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: got status %d, want %d with %q in %s (%v)",
				c.name, res.StatusCode, c.status, c.want, body, err)
		}
		challenge := res.Header.Get("WWW-Authenticate")
		if (challenge == `Basic realm="patchsource"`) != (c.status == 401) {
			t.Errorf("%s: got challenge %q", c.name, challenge)
		}
	}
}

// The documentation of the server package shows how this program embeds a patch source.
func TestTheExampleIsThisProgram(t *testing.T) {
	here, documented := excerpt(t, "main.go"), excerpt(t, "../../httpapi/server/example_test.go")
	if here != documented {
		t.Errorf("main.go has\n%s\nbut the example of httpapi/server has\n%s", here, documented)
	}
}

// excerpt returns the function run of a file, with its comment.
func excerpt(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n// run serves ")
	body, _, ok := strings.Cut(rest, "\n}\n")
	if !ok {
		t.Fatalf("%s has no function run", file)
	}
	return body
}
