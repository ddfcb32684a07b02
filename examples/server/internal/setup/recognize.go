package setup

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// selfHeader is the header of a request by which a server looks for itself, and of the answer.
	selfHeader = "Patchsource-Self"
	// selfPath is the path of such a request.
	selfPath = "/healthz"
	// selfTimeout bounds such a request.
	selfTimeout = 15 * time.Second
	// maxChallenge limits the length of a challenge.
	maxChallenge = 64
)

// Recognize returns a handler that calls next, and lets the server recognize its own answers: the answer to a challenge
// in a request for /healthz proves that the server has the key. Servers over one store have the same key, so that each
// of them recognizes the others.
func Recognize(key []byte, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == selfPath {
			if challenge := r.Header.Get(selfHeader); challenge != "" && len(challenge) <= maxChallenge {
				w.Header().Set(selfHeader, proof(key, challenge))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// proof returns the answer to a challenge.
func proof(key []byte, challenge string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(challenge))
	return hex.EncodeToString(mac.Sum(nil))
}

// A stranger is the error if another server answers, or a redirect.
type stranger struct {
	status   int
	location string // of a redirect
}

// Error implements error.
func (s *stranger) Error() string {
	if s.location != "" {
		return fmt.Sprintf("the answer is a redirect to %s (status %d)", shorten(s.location), s.status)
	}
	return fmt.Sprintf("another server answers (status %d)", s.status)
}

// findSelf asks for itself at the base URL. The certificate does not matter: nothing secret is sent, and another step
// examines it. The error is a *stranger if another server answers.
func (s *steps) findSelf(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, selfTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL+selfPath, http.NoBody)
	if err != nil {
		return err
	}
	challenge := rand.Text()
	r.Header.Set(selfHeader, challenge)
	r.Header.Set("User-Agent", "patchsource-setup")
	transport := s.insecureTransport()
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if hmac.Equal([]byte(answer.Header.Get(selfHeader)), []byte(proof(s.Key, challenge))) {
		return nil
	}
	location := ""
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		location = answer.Header.Get("Location")
	}
	return &stranger{answer.StatusCode, location}
}

// insecureTransport returns a transport that accepts every certificate. It is for requests without secrets, whose
// certificate another step examines.
func (s *steps) insecureTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            s.Dial,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		TLSHandshakeTimeout:    selfTimeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// describeUnreachable returns the reason for which the server does not reach itself.
func describeUnreachable(err error) string {
	var dns *net.DNSError
	var network net.Error
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name " + dns.Name + " does not exist in DNS"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "there is no answer in time"
	}
	return err.Error()
}

// shorten cuts a text of another server to a length that fits a page.
func shorten(text string) string {
	const maxShown = 200
	if len(text) <= maxShown {
		return text
	}
	return text[:maxShown] + "…"
}
