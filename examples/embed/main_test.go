package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/store/memstore"
)

const definition = `{"id":"A","name":"A","publisher":"P","appName":null,"bundleId":null,"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],
	"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"","reboot":false,"killApps":[],"components":[],"capabilities":[]}],"extensionAttributes":[]}`

func TestEmbedded(t *testing.T) {
	handler, err := newHandler(t.Context(), memstore.New())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	for _, c := range []struct {
		name, method, path, body, password string
		status                             int
		says                               string
	}{
		{"its own page", "GET", "/", "", "", 200, "there before"},
		{"no password", "POST", "/patch/api/v1/title", definition, "", 401, "The name or the password is wrong."},
		{"a wrong password", "POST", "/patch/api/v1/title", definition, "guess", 401, "The name or the password is wrong."},
		{"the right password", "POST", "/patch/api/v1/title", definition, "secret", 201, `"id":"A"`},
		{"the feed", "GET", "/patch/jamf/v1/software", "", "", 200, `"currentVersion":"1"`},
	} {
		r, err := http.NewRequest(c.method, server.URL+c.path, strings.NewReader(c.body))
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
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("%s: %d %s %v", c.name, res.StatusCode, body, err)
		}
		if challenge := res.Header.Get("WWW-Authenticate"); (challenge == `Basic realm="patchsource"`) != (c.status == 401) {
			t.Errorf("%s: %q", c.name, challenge)
		}
	}
}
