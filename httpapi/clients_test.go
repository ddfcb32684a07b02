package httpapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
)

// A session is the requests of a client of another system, in order.
type session struct {
	System string
	Steps  []step
}

// A step is a request of a session.
type step struct {
	// As is whose token goes with the request: none for "anyone", an administrator's for "administrator", and otherwise
	// the token that was kept under this name.
	As string
	// Do is the method and the path. In the path, {link} is the link in the last mail, and {name} the id of the token
	// that was kept under the name.
	Do string
	// Body is JSON, in which {"$definition": [id, version, …]} and {"$version": v} stand for whole ones. Form is the
	// same, sent as the file of a form.
	Body, Form any
	Status     int
	// Says are texts in the answer.
	Says []string
	// Keep is the name under which the token in the answer, or in the mail that follows it, is kept.
	Keep string
	// Why is a comment.
	Why string
}

// The clients of earlier systems keep working: each sends what it sent to its own server.
func TestSessionsOfOtherSystems(t *testing.T) {
	files, err := filepath.Glob("testdata/clients/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("got the sessions %v, %v; want at least 4", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var s session
			if err := json.Unmarshal(data, &s); err != nil {
				t.Fatal(err)
			}
			p := newPublic(t, httpapi.Options{RootFeed: true, RateLimit: -1})
			p.outside.pages.Store("https://vendor.example/sub.json", definition("Sub", "1"))
			s.play(t, p)
		})
	}
}

// play sends the requests of a session.
func (s session) play(t *testing.T, p *public) {
	t.Helper()
	tokens := map[string]string{"administrator": p.token(auth.Grant{Kind: auth.Administrator})}
	ids := map[string]string{}
	for i, step := range s.Steps {
		method, path, _ := strings.Cut(step.Do, " ")
		if strings.Contains(path, "{link}") {
			path = linkIn(t, p.box.last(t))
		}
		for name, id := range ids {
			path = strings.ReplaceAll(path, "{"+name+"}", id)
		}
		var header []string
		if token, ok := tokens[step.As]; ok {
			header = append(header, "Authorization", "Bearer "+token)
		} else if step.As != "anyone" {
			t.Fatalf("step %d: there is no token of %s", i, step.As)
		}
		body := written(t, step.Body)
		if step.Form != nil {
			var contentType string
			body, contentType = formOf(t, "file", []byte(written(t, step.Form)))
			header = append(header, "Content-Type", contentType)
		}
		w := p.do(method, path, body, header...)
		if w.Code != step.Status {
			t.Fatalf("step %d, %s as %s: got status %d, want %d %s: %s",
				i, step.Do, step.As, w.Code, step.Status, step.Why, w.Body)
		}
		for _, text := range step.Says {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("step %d, %s: the answer lacks %s: %s", i, step.Do, text, w.Body)
			}
		}
		if step.Keep != "" {
			tokens[step.Keep], ids[step.Keep] = keptToken(t, p, w)
		}
	}
}

// keptToken returns the token in an answer, or else in the last mail, and its id.
func keptToken(t *testing.T, p *public, w *httptest.ResponseRecorder) (token, id string) {
	t.Helper()
	var made struct {
		ID    string `json:"id"`
		Token string `json:"api_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &made); err == nil && made.Token != "" {
		return made.Token, made.ID
	}
	return tokenIn(p.box.last(t)), ""
}

// written returns a body as JSON, with definitions and versions in full.
func written(t *testing.T, body any) string {
	t.Helper()
	if body == nil {
		return ""
	}
	data, err := json.Marshal(inFull(body))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// inFull returns JSON with definitions and versions in full.
func inFull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if of, ok := v["$definition"].([]any); ok {
			var words []string
			for _, word := range of {
				words = append(words, word.(string))
			}
			return json.RawMessage(definition(words[0], words[1:]...))
		}
		if version, ok := v["$version"].(string); ok {
			return json.RawMessage(versionJSON(version))
		}
		full := map[string]any{}
		for name, value := range v {
			full[name] = inFull(value)
		}
		return full
	case []any:
		var full []any
		for _, value := range v {
			full = append(full, inFull(value))
		}
		if full == nil {
			full = []any{}
		}
		return full
	}
	return v
}
