package httpapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
)

// A session is what a client of another system asks for, one request after the other.
type session struct {
	System string
	Steps  []struct {
		As     string // whose token goes with it: "anyone" has none, "administrator" one, the others what was kept
		Do     string // the method and the path; {link} is the link in the last mail, {name} the id of a token kept
		Body   any    // JSON; {"$definition": [id, version, …]} and {"$version": v} stand for whole ones
		Form   any    // the same, sent as the file of a form
		Status int
		Says   []string // what the answer has in it
		Keep   string   // the name that the token in the answer, or in the mail that follows it, is kept under
		Why    string
	}
}

// The clients of the systems before this one go on working: each asks for what it asked its own server for.
func TestSessionsOfOtherSystems(t *testing.T) {
	files, err := filepath.Glob("testdata/clients/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v: %v", files, err)
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

func (s session) play(t *testing.T, p *public) {
	t.Helper()
	tokens := map[string]string{"administrator": p.token(auth.Grant{Kind: auth.Administrator})}
	ids := map[string]string{}
	for i, step := range s.Steps {
		method, path, _ := strings.Cut(step.Do, " ")
		if strings.Contains(path, "{link}") {
			path = regexp.MustCompile(`https://patches.example.com(/\S+)`).FindStringSubmatch(p.box.last(t).Text)[1]
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
			body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"d.json\"\r\n\r\n" + written(
				t,
				step.Form,
			) + "\r\n--b--\r\n"
			header = append(header, "Content-Type", "multipart/form-data; boundary=b")
		}
		w := p.do(method, path, body, header...)
		if w.Code != step.Status {
			t.Fatalf("step %d, %s as %s: %d %s, want %d %s", i, step.Do, step.As, w.Code, w.Body, step.Status, step.Why)
		}
		for _, text := range step.Says {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("step %d, %s: %s\nit does not say %s", i, step.Do, w.Body, text)
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
