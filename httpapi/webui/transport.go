package webui

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/httpapi/client"
)

const (
	// maxAnswer limits how much of an answer of the API is kept.
	maxAnswer = 32 << 20
	// apiAddress is the address that the client is given. Requests to it stay in the process.
	apiAddress = "http://api.invalid"
)

// client returns a client of the API that acts for the visitor. With a token, it sends that; otherwise, with forward,
// the headers that identify the visitor of an embedder's session.
func (v *visit) client(token string, forward bool) *client.Client {
	opts := client.Options{
		Token:          token,
		HTTP:           &http.Client{Transport: &transport{visit: v, forward: forward}, CheckRedirect: noRedirect},
		MaxTries:       1,
		MaxAnswerBytes: -1, // the transport limits it
		UserAgent:      "patchsource-webui",
	}
	c, err := client.New(apiAddress, &opts)
	if err != nil { // no token has such characters: without one, the API answers that the visitor is unknown
		opts.Token = ""
		c, err = client.New(apiAddress, &opts)
	}
	if err != nil {
		panic("webui: " + err.Error()) // apiAddress is a constant
	}
	return c
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// A transport sends the requests of a client to the API in this process. They come from the visitor's address, and the
// deadlines that the API sets are those of the visitor's connection.
type transport struct {
	visit   *visit
	forward bool // the Cookie and Authorization headers of the visitor
}

// RoundTrip implements http.RoundTripper. It returns when the API has answered.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	w := &recorder{header: http.Header{}, control: http.NewResponseController(t.visit.w)}
	t.visit.h.api.ServeHTTP(w, t.serverRequest(r))
	return w.response(r), nil
}

// serverRequest returns the request of a client as a server receives it from the visitor.
func (t *transport) serverRequest(r *http.Request) *http.Request {
	visitor := t.visit.r
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "", ""
	r.RequestURI = r.URL.RequestURI()
	r.Host, r.RemoteAddr, r.TLS = visitor.Host, visitor.RemoteAddr, visitor.TLS
	switch {
	case r.Body == nil:
		r.Body = http.NoBody
	case r.ContentLength == 0 && r.Body != http.NoBody:
		r.ContentLength = -1 // a server's way to say that it is not known
	}
	names := []string{"X-Forwarded-For"}
	if t.forward {
		names = append(names, "Cookie", "Authorization")
	}
	for _, name := range names {
		if values := visitor.Header[name]; values != nil {
			r.Header[name] = values
		}
	}
	return r
}

// A recorder is the http.ResponseWriter of a call. It keeps at most maxAnswer bytes.
type recorder struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	cut     bool
	control *http.ResponseController // of the visitor's connection
}

// errCut means that an answer was longer than maxAnswer.
var errCut = errors.New("the answer is too long to be shown")

// response returns the recorded response. Its body ends with errCut if a part of it was dropped.
func (w *recorder) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	body := io.Reader(&w.body)
	if w.cut {
		body = io.MultiReader(body, cutReader{})
	}
	return &http.Response{
		StatusCode:    w.status,
		Status:        http.StatusText(w.status),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		Body:          io.NopCloser(body),
		ContentLength: -1,
		Request:       r,
	}
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, errCut }

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	kept := p[:min(len(p), maxAnswer-w.body.Len())]
	w.cut = w.cut || len(kept) < len(p)
	w.body.Write(kept)
	return len(p), nil
}

// SetReadDeadline lets the API extend the deadline of a long upload.
func (w *recorder) SetReadDeadline(t time.Time) error { return w.control.SetReadDeadline(t) }

// SetWriteDeadline lets the API extend the deadline of a long answer.
func (w *recorder) SetWriteDeadline(t time.Time) error { return w.control.SetWriteDeadline(t) }

// FlushError does nothing: the page is made when the whole answer is there.
func (w *recorder) FlushError() error { return nil }

// passOn answers a request with the answer of a call of the API, which goes to the visitor as it is sent.
func (v *visit) passOn(w http.ResponseWriter, method, target string) {
	r, err := http.NewRequestWithContext(v.r.Context(), method, apiAddress+target, http.NoBody)
	if err != nil {
		v.refused(err)
		return
	}
	t := &transport{visit: v, forward: v.h.session != nil}
	r = t.serverRequest(r)
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	v.h.api.ServeHTTP(w, r)
}
