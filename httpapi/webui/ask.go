package webui

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// maxAnswer bounds what is kept of an answer of the API.
const maxAnswer = 32 << 20

// An answer is what the API says.
type answer struct {
	Message  string          `json:"message"`
	ID       string          `json:"id"`
	Errors   []patch.Failure `json:"errors"`
	Warnings []patch.Warning `json:"warnings"`
	Internal string          `json:"internal"` // the id of the line in the log
	Changes  []string        `json:"changes"`
	Token    string          `json:"api_token"`
	Conflict string          `json:"database_conflict"` // the id of the title that is there

	status int
	header http.Header
	body   []byte
}

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// into decodes the answer, and reports whether that could be done.
func (a *answer) into(value any) bool { return json.Unmarshal(a.body, value) == nil }

// ask calls the API in the visitor's name. header are names and values.
func (v *visit) ask(method, target string, body []byte, header ...string) *answer {
	return v.askStream(method, target, bytes.NewReader(body), header...)
}

// askJSON is ask with a body of JSON.
func (v *visit) askJSON(method, target string, body any) *answer {
	data, err := json.Marshal(body)
	if err != nil {
		panic("webui: a body that is no JSON: " + err.Error())
	}
	return v.ask(method, target, data, "Content-Type", "application/json")
}

// askAsAnybody posts JSON as who has not signed in.
func (v *visit) askAsAnybody(target string, body any) *answer {
	who := v.who
	defer func() { v.who = who }()
	v.who = visitor{}
	return v.askJSON("POST", target, body)
}

func (v *visit) askStream(method, target string, body io.Reader, header ...string) *answer {
	rec := &recorder{header: http.Header{}, control: http.NewResponseController(v.w)}
	v.h.api.ServeHTTP(rec, v.request(method, target, body, header...))
	a := &answer{status: rec.status, header: rec.header, body: rec.body.Bytes()}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	_ = json.Unmarshal(a.body, a) // what is no object has none of it
	if a.Internal != "" {
		a.Message += " (" + a.Internal + ")"
	}
	if !a.ok() && a.Message == "" {
		a.Message = http.StatusText(a.status) + "."
	}
	return a
}

// request makes a request to the API as the visitor would: from where they are, with
// their token.
func (v *visit) request(method, target string, body io.Reader, header ...string) *http.Request {
	r, err := http.NewRequestWithContext(v.r.Context(), method, target, body)
	if err != nil {
		panic("webui: " + err.Error()) // the targets are ours
	}
	if r.Body == nil {
		r.Body = http.NoBody // as a server's requests have it
	}
	r.Host, r.RemoteAddr, r.TLS, r.RequestURI = v.r.Host, v.r.RemoteAddr, v.r.TLS, target
	if forwarded := v.r.Header["X-Forwarded-For"]; forwarded != nil {
		r.Header["X-Forwarded-For"] = forwarded
	}
	if v.who.Token != "" {
		r.Header.Set("Authorization", "Bearer "+v.who.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return r
}

// titlePath is the path of a title's calls.
func titlePath(id string, more string) string {
	return "/api/v1/titles/" + url.PathEscape(id) + more
}

// A recorder keeps an answer.
type recorder struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	control *http.ResponseController // of the visitor's connection
}

// Header implements http.ResponseWriter.
func (c *recorder) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *recorder) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

// Write implements http.ResponseWriter. What is too much is dropped.
func (c *recorder) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	c.body.Write(p[:min(len(p), maxAnswer-c.body.Len())])
	return len(p), nil
}

// SetReadDeadline lets the API give a long upload its time.
func (c *recorder) SetReadDeadline(t time.Time) error { return c.control.SetReadDeadline(t) }

// SetWriteDeadline lets the API give a long answer its time.
func (c *recorder) SetWriteDeadline(t time.Time) error { return c.control.SetWriteDeadline(t) }

// FlushError sends nothing: the page is made when all is there.
func (c *recorder) FlushError() error { return nil }
