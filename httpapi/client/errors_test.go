package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

func TestErrors(t *testing.T) {
	ctx, s := t.Context(), serve(t)
	c, anonymous := clientOf(t, s.address, s.token), clientOf(t, s.address, "")
	if _, err := c.Create(ctx, definition("App", "1")); err != nil {
		t.Fatal(err)
	}
	one := []patch.Patch{version("1")}
	tests := []struct {
		name string
		err  error
		want error
		code string
	}{
		{
			"no token", errOf(anonymous.Create(ctx, definition("B", "1"))),
			client.ErrUnauthorized, wire.CodeUnauthorized,
		},
		{
			"existing title", errOf(c.Create(ctx, definition("app", "1"))),
			client.ErrConflict, wire.CodeDatabaseConflict,
		},
		{"missing title", errOf(c.AddVersions(ctx, "Nope", one, nil)), client.ErrNotFound, wire.CodeTitleNotFound},
		{"odd id", errOf(c.AddVersions(ctx, "../x/..", one, nil)), client.ErrNotFound, wire.CodeTitleNotFound},
		{"dots as an id", errOf(c.Delete(ctx, "..", nil)), client.ErrNotFound, wire.CodeTitleNotFound},
		{"invalid definition", errOf(c.Create(ctx, definition("B"))), client.ErrInvalid, wire.CodeInvalidJSON},
		{"missing token", errOf(c.RevokeToken(ctx, "x", nil)), client.ErrNotFound, wire.CodeTokenNotFound},
		{"missing webhook", c.DeleteWebhook(ctx, "x"), client.ErrNotFound, wire.CodeWebhookNotFound},
		{
			"invalid webhook", errOf(c.CreateWebhook(ctx, wire.WebhookRequest{URL: "x"})),
			client.ErrInvalid, wire.CodeInvalidJSON,
		},
		{"invalid upstream", errOf(c.Subscribe(ctx, "S", "ftp://x/")), client.ErrInvalid, wire.CodeUpstreamFailure},
		{"not subscribed", errOf(c.Unsubscribe(ctx, "App")), client.ErrNotFound, wire.CodeTitleNotFound},
		{"no upstream", errOf(c.Sync(ctx, "App")), client.ErrInvalid, wire.CodeBadRequest},
		{
			"not an archive", errOf(c.Restore(ctx, strings.NewReader("x"), nil)),
			client.ErrInvalid, wire.CodeRestoreFailure,
		},
	}
	for _, test := range tests {
		var e *client.Error
		if !errors.Is(test.err, test.want) || !errors.As(test.err, &e) || e.Code != test.code || e.Message == "" {
			t.Errorf("%s: %v, %+v", test.name, test.err, e)
		}
		if client.IsTransient(test.err) {
			t.Errorf("%s: the error is transient", test.name)
		}
	}
	var e *client.Error
	if err := errOf(c.Create(ctx, definition("B"))); !errors.As(err, &e) || len(e.Failures) == 0 ||
		!strings.Contains(err.Error(), e.Failures[0].Path) {
		t.Errorf("the error %v does not show its failures", err)
	}
	if err := errOf(c.Create(ctx, definition("app", "1"))); !errors.As(err, &e) || e.Detail != "app" {
		t.Errorf("the conflict has the detail %v, want the id that is taken", e.Detail)
	}
}

func TestNew(t *testing.T) {
	for _, address := range []string{
		"", "patches.example.com", "ftp://patches.example.com", "https://", ":", "https://patches.example.com/?q=a",
		"https://patches.example.com/#titles", "https://patches.example.com/#",
	} {
		if _, err := client.New(address, nil); err == nil {
			t.Errorf("New accepts the address %q", address)
		}
	}
}

// A token read from a file works with its line break. One that no header can have is rejected at once.
func TestNewToken(t *testing.T) {
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer s.Close()
	c := clientOf(t, s.URL, " pst_A\r\n")
	if err := errOf(c.Software(t.Context())); !errors.Is(err, client.ErrNotFound) || got != "Bearer pst_A" {
		t.Errorf("%v with the header %q", err, got)
	}
	for _, token := range []string{"pst_A\npst_B", "pst_A B", "pst_Ä", "pst_\x7f"} {
		_, err := client.New(s.URL, &client.Options{Token: token})
		if err == nil || !strings.Contains(err.Error(), "Options.Token") || strings.Contains(err.Error(), token) {
			t.Errorf("%q: got %v, want an error that names Options.Token", token, err)
		}
	}
}

// An error has the address of the call, without the password in the address of the server.
func TestUnexpectedAnswerAddress(t *testing.T) {
	contentType := "text/html"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, "<title>Sign in</title>")
	}))
	defer s.Close()
	c := clientOf(t, strings.Replace(s.URL, "http://", "http://ann:secret@", 1)+"/patches/", "")
	for _, contentType = range []string{"text/html", "application/json"} {
		_, _, err := c.Definition(t.Context(), "a/b c")
		if !errors.Is(err, client.ErrUnexpectedAnswer) || strings.Contains(err.Error(), "secret") ||
			!strings.Contains(err.Error(), " "+s.URL+"/patches/api/v1/titles/a%2Fb%20c") {
			t.Errorf("%s: the error is %q", contentType, err)
		}
	}
}

// An empty id would make the path of another call. It is an error before anything is sent.
func TestEmptyID(t *testing.T) {
	var requests atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer s.Close()
	c, ctx := clientOf(t, s.URL, "pst_x"), t.Context()
	_, _, definitionErr := c.Definition(ctx, "")
	for name, err := range map[string]error{
		"Definition":         definitionErr,
		"Delete":             errOf(c.Delete(ctx, "", nil)),
		"ReplaceJSON":        errOf(c.ReplaceJSON(ctx, "", []byte("{}"), nil)),
		"RemoveVersion":      errOf(c.RemoveVersion(ctx, "App", "", nil)),
		"Select":             errOf(c.Select(ctx, "")),
		"Select of two":      errOf(c.Select(ctx, "App", "")),
		"Select of a list":   errOf(c.Select(ctx, "App,Other")),
		"History":            errOf(c.History(ctx, "")),
		"RevokeToken":        errOf(c.RevokeToken(ctx, "", nil)),
		"DeleteWebhook":      c.DeleteWebhook(ctx, ""),
		"Deliveries":         errOf(c.Deliveries(ctx, "")),
		"RetryDelivery":      errOf(c.RetryDelivery(ctx, "h", "")),
		"Unsubscribe":        errOf(c.Unsubscribe(ctx, "")),
		"ExchangeToken":      errOf(c.ExchangeToken(ctx, "")),
		"MailTitleToken":     errOf(c.MailTitleToken(ctx, "", "ann@example.com")),
		"ReleaseName":        errOf(c.ReleaseName(ctx, "")),
		"Definition to Put":  putErr(c.Put(ctx, &patch.Definition{})),
		"Replace without id": errOf(c.Replace(ctx, &patch.Definition{}, nil)),
	} {
		if !errors.Is(err, client.ErrInvalid) {
			t.Errorf("%s returned %v, want ErrInvalid", name, err)
		}
	}
	if n := requests.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func putErr(_ wire.Answer, _ bool, err error) error { return err }

// A success that is not the answer of a patch source is an error.
func TestUnexpectedAnswers(t *testing.T) {
	const html = "<!doctype html><title>Sign in</title>"
	backup := func(ctx context.Context, c *client.Client) error {
		var written strings.Builder
		err := c.Backup(ctx, &written, nil)
		if written.Len() > 0 {
			return fmt.Errorf("%q was written", written.String())
		}
		return err
	}
	software := func(ctx context.Context, c *client.Client) error { return errOf(c.Software(ctx)) }
	definition := func(ctx context.Context, c *client.Client) error {
		def, _, err := c.Definition(ctx, "App")
		if def != nil {
			return errors.New("a definition was returned")
		}
		return err
	}
	importTitles := func(ctx context.Context, c *client.Client) error {
		for _, err := range c.Import(ctx, strings.NewReader("{}"), nil) {
			return err
		}
		return nil
	}
	tests := []struct {
		name, contentType, body string
		call                    func(context.Context, *client.Client) error
	}{
		{"HTML as a list", "text/html; charset=utf-8", html, software},
		{"JSON with the type of text", "text/plain", "[]", software},
		{"HTML as a definition", "text/html", html, definition},
		{"HTML with the type of JSON", "application/json", html, definition},
		{"JSON that is no definition", "application/json", `{"message":"hello"}`, definition},
		{"JSON that is no list", "application/json", `{"message":"hello"}`, software},
		{"HTML as a backup", "text/html", html, backup},
		{"HTML with the type of a zip", "application/zip", html, backup},
		{"an empty backup", "application/zip", "", backup},
		{"JSON as a backup", "application/json", "{}", backup},
		{"HTML for a deleted title", "text/html", html, func(ctx context.Context, c *client.Client) error {
			return errOf(c.Delete(ctx, "App", nil))
		}},
		{"no titles", "application/json", "{}", func(ctx context.Context, c *client.Client) error {
			for _, err := range c.Titles(ctx, nil) {
				return err
			}
			return nil
		}},
		{"no token", "application/json", "{}", func(ctx context.Context, c *client.Client) error {
			return errOf(c.MakeToken(ctx, wire.TokenRequest{}))
		}},
		{"HTML as an import", "text/html", html, importTitles},
		{"HTML with the type of an import", "application/x-ndjson", html, importTitles},
		{"a large result of an import", "application/x-ndjson", `{"item":"` + strings.Repeat("x", 9000) + `"}`,
			importTitles},
		{"a large answer", "application/json", "[" + strings.Repeat(" ", 2000) + "]", software},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.contentType)
				_, _ = io.WriteString(w, test.body)
			}))
			defer s.Close()
			c, err := client.New(s.URL, &client.Options{Pause: time.Hour, MaxAnswerBytes: 1000})
			if err != nil {
				t.Fatal(err)
			}
			if err := test.call(t.Context(), c); !errors.Is(err, client.ErrUnexpectedAnswer) {
				t.Errorf("the call returned %v, want ErrUnexpectedAnswer", err)
			} else if client.IsTransient(err) {
				t.Error("the error is transient")
			}
		})
	}
}

func TestRetries(t *testing.T) {
	software := func(ctx context.Context, c *client.Client) error { return errOf(c.Software(ctx)) }
	remove := func(ctx context.Context, c *client.Client) error { return errOf(c.Delete(ctx, "x", nil)) }
	restore := func(ctx context.Context, c *client.Client) error {
		return errOf(c.Restore(ctx, strings.NewReader("x"), nil))
	}
	tests := []struct {
		name      string
		status    int
		call      func(ctx context.Context, c *client.Client) error
		maxTries  int
		tries     int32
		err       error
		transient bool
	}{
		{"a read that fails", 503, software, 0, 3, client.ErrUnavailable, true},
		{"a read that is tried once", 503, software, 1, 1, client.ErrUnavailable, true},
		{"a change that fails", 503, remove, 0, 1, client.ErrUnavailable, true},
		{"a change that is limited", 429, remove, 0, 3, client.ErrLimited, true},
		{"a stream", 429, restore, 0, 1, client.ErrLimited, true},
		{"a missing list", 404, software, 0, 1, client.ErrNotFound, false},
		{"a full disk", 507, remove, 0, 1, client.ErrUnavailable, false},
		{"a redirect", 302, software, 0, 1, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var n atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
			}))
			defer s.Close()
			c, err := client.New(s.URL, &client.Options{Pause: time.Millisecond, MaxTries: test.maxTries})
			if err != nil {
				t.Fatal(err)
			}
			err = test.call(t.Context(), c)
			var e *client.Error
			if !errors.As(err, &e) || e.Status != test.status || test.err != nil && !errors.Is(err, test.err) ||
				n.Load() != test.tries {
				t.Errorf("%v after %d tries, want %d", err, n.Load(), test.tries)
			}
			if client.IsTransient(err) != test.transient {
				t.Errorf("IsTransient is %v", !test.transient)
			}
		})
	}
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A request that never reached the server is repeated, whatever it is. The pause doubles; without a limit of tries, the
// context ends it.
func TestRetryUntilContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		c, err := client.New("http://patches.example.com", &client.Options{
			MaxTries: -1,
			Pause:    time.Second,
			HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				tries++
				return nil, refused
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(io.EOF) })
		if _, err := c.Delete(ctx, "x", nil); !errors.Is(err, io.EOF) {
			t.Errorf("Delete returned %v, want the cause of the context", err)
		}
		if tries != 6 { // after 0, 1, 3, 7, 15 and 31 seconds
			t.Errorf("%d tries, want 6", tries)
		}
	})
}

func TestIsTransient(t *testing.T) {
	urlError := func(err error) error { return &url.Error{Op: "Get", URL: "http://x", Err: err} }
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"nil", nil, false},
		{"refused connection", urlError(&net.OpError{Op: "dial", Err: errors.New("refused")}), true},
		{"broken connection", urlError(io.ErrUnexpectedEOF), true},
		{"closed connection", urlError(io.EOF), true},
		{"timeout", urlError(context.DeadlineExceeded), true},
		{"canceled", urlError(context.Canceled), false},
		{"unknown host", urlError(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), false},
		{"failing resolver", urlError(&net.OpError{Op: "dial", Err: &net.DNSError{IsTemporary: true}}), true},
		{"wrapped", fmt.Errorf("upload: %w", &client.Error{Status: 503}), true},
		{"not implemented", &client.Error{Status: 501}, false},
		{"another error", errors.New("x"), false},
	}
	for _, test := range tests {
		if got := client.IsTransient(test.err); got != test.want {
			t.Errorf("%s: IsTransient(%v) = %v", test.name, test.err, got)
		}
	}
}

// A connection that breaks is transient with HTTP/2 as it is with HTTP/1.1.
func TestIsTransientBrokenConnection(t *testing.T) {
	abort := func(*httptest.Server, http.ResponseWriter) { panic(http.ErrAbortHandler) }
	tests := map[string]func(*httptest.Server, http.ResponseWriter){
		"aborted answer": abort,
		"aborted body": func(s *httptest.Server, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "[")
			_ = http.NewResponseController(w).Flush()
			abort(s, w)
		},
		"closed connection": func(s *httptest.Server, _ http.ResponseWriter) { _ = s.Config.Close() },
		"restarted server": func(s *httptest.Server, _ http.ResponseWriter) {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			_ = s.Config.Shutdown(ctx) // which waits for this request
			_ = s.Config.Close()
		},
	}
	for name, fail := range tests {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				s := httptest.NewUnstartedServer(nil)
				s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fail(s, w) })
				s.EnableHTTP2 = http2
				s.Config.ErrorLog = log.New(io.Discard, "", 0)
				s.StartTLS()
				defer s.Close()
				c, err := client.New(s.URL, &client.Options{HTTP: s.Client(), MaxTries: 1})
				if err != nil {
					t.Fatal(err)
				}
				if err := errOf(c.Software(t.Context())); !client.IsTransient(err) {
					t.Errorf("%v is not transient", err)
				}
			})
		}
	}
}

// What a later call cannot change is not transient.
func TestIsTransientMisconfiguration(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	tests := []struct {
		name, address string
		http          *http.Client
	}{
		{"client certificate", s.URL, s.Client()},
		{"unknown authority", s.URL, nil},
		{"port", "http://127.0.0.1:99999", nil},
		{"TLS in place of HTTP", strings.Replace(s.URL, "https:", "http:", 1), nil},
	}
	for _, test := range tests {
		c, err := client.New(test.address, &client.Options{HTTP: test.http, MaxTries: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := errOf(c.Software(t.Context())); err == nil || client.IsTransient(err) {
			t.Errorf("%s: %v is transient", test.name, err)
		}
	}
}

// A program may have replaced http.DefaultTransport, such as to trace requests.
func TestNewWithAnotherDefaultTransport(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	var requests int
	http.DefaultTransport = roundTrip(func(r *http.Request) (*http.Response, error) {
		requests++
		return before.RoundTrip(r)
	})
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	c := clientOf(t, s.URL, "")
	if err := errOf(c.Software(t.Context())); !errors.Is(err, client.ErrNotFound) || requests != 1 {
		t.Errorf("%v after %d requests", err, requests)
	}
}
