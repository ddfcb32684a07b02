package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswer is the maximum size of an answer in bytes.
	maxAnswer = 256 << 20
	// maxTries is the maximum number of attempts of a call.
	maxTries = 5
	// maxPause bounds the pause between two attempts.
	maxPause = 30 * time.Second
)

// A client calls the API of one instance of Title Editor, or of a server that has the same API.
type client struct {
	base     string // without a slash at the end
	user     string
	password string
	http     *http.Client
	pause    time.Duration // before the second attempt of a call
	session  string        // empty: not logged in
}

// newClient returns a client of the instance at an address. Addresses without TLS are refused, except those of this
// machine, unless insecure is true.
func newClient(address, user, password string, insecure bool) (*client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("the address %q is no URL such as https://example.appcatalog.jamfcloud.com", address)
	}
	if u.Scheme == "http" && !insecure && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("the address %q has no https, so that the password could be read on the way: "+
			"use https, or add --insecure", address)
	}
	if password == "" {
		return nil, fmt.Errorf("there is no password for %s: put it into a file, and name that with the flag for it",
			u.Host)
	}
	base := strings.TrimSuffix(strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), "/v2")
	return &client{
		base:     base,
		user:     user,
		password: password,
		http: &http.Client{
			Timeout: 2 * time.Minute,
			// A redirect is an error: it could lead the password to a server without TLS.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		pause: time.Second,
	}, nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A statusError is the error of a call that the server has answered.
type statusError struct {
	Status      int
	Method      string
	Path        string
	Description string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %s", e.Method, e.Path, e.Status, e.Description)
}

// call makes a call and decodes the answer into the value that into points to, unless that is nil. It logs in if
// necessary, and repeats a call that the server was too busy for. A call that the server may have received is repeated
// only if it creates nothing.
func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	pause := c.pause
	for try := 1; ; try++ {
		err := c.once(ctx, method, path, data, into)
		var answered *statusError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &answered) && answered.Status == http.StatusUnauthorized && c.session != "" &&
			try < maxTries:
			c.session = "" // it has expired
			continue
		case try == maxTries || !repeatable(method, err):
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// repeatable reports whether a call can be made again after an error.
func repeatable(method string, err error) bool {
	var answered *statusError
	if errors.As(err, &answered) {
		return answered.Status == http.StatusTooManyRequests || answered.Status == http.StatusServiceUnavailable
	}
	return method != http.MethodPost && !errors.Is(err, context.Canceled)
}

// once makes a call once.
func (c *client) once(ctx context.Context, method, path string, body []byte, into any) error {
	if c.session == "" {
		if err := c.login(ctx); err != nil {
			return err
		}
	}
	return c.send(ctx, method, path, body, into, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+c.session)
	})
}

// login begins a session.
func (c *client) login(ctx context.Context) error {
	var session struct{ Token string }
	err := c.send(ctx, http.MethodPost, "auth/tokens", nil, &session, func(r *http.Request) {
		r.SetBasicAuth(c.user, c.password)
	})
	if err != nil {
		return fmt.Errorf("log in at %s: %w", c.base, err)
	}
	if session.Token == "" {
		return fmt.Errorf("log in at %s: the answer has no token", c.base)
	}
	c.session = session.Token
	return nil
}

// send sends a request.
func (c *client) send(
	ctx context.Context, method, path string, body []byte, into any, authorize func(*http.Request),
) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+"/v2/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	authorize(r)
	r.Header.Set("Accept", "application/json")
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxAnswer:
		return fmt.Errorf("%s %s: the answer is larger than %d MiB", method, path, maxAnswer>>20)
	case answer.StatusCode >= 300:
		return &statusError{answer.StatusCode, method, path, describe(data)}
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s %s: the answer cannot be read: %w", method, path, err)
	}
	return nil
}

// describe returns what the answer to a call that failed says.
func describe(body []byte) string {
	var answer struct {
		Errors []struct{ Code, Description string }
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Errors) == 0 {
		return "no reason was given"
	}
	var all []string
	for _, e := range answer.Errors {
		all = append(all, strings.TrimSpace(e.Code+" "+e.Description))
	}
	return strings.Join(all, "; ")
}
