package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// A sender POSTs events.
type sender struct {
	strict  *safehttp.Client
	lenient *safehttp.Client // accepts any certificate
}

// A result is what a receiver answered to an event.
type result struct {
	status     int
	retryAfter time.Duration  // how long the receiver asks for a pause
	notice     catalog.Notice // the event as the log keeps it; its ID is empty if it could not be read
	gone       bool           // nothing was sent: the event was delivered before, or the webhook was deleted
}

// close closes the connections that are not in use.
func (s *sender) close() {
	s.strict.Close()
	s.lenient.Close()
}

// post POSTs an event to a webhook. The error says why the receiver did not accept it.
func (s *sender) post(ctx context.Context, h Hook, event string, now time.Time, body []byte) (result, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	if err := sign(header, h.Secret, event, now, body); err != nil {
		return result{}, err
	}
	client := s.strict
	if !h.VerifySSL {
		client = s.lenient
	}
	res, err := client.Do(ctx, safehttp.Request{
		Method:     http.MethodPost,
		URL:        h.URL,
		Header:     header,
		Body:       body,
		IgnoreBody: true,
	})
	if err != nil {
		return result{}, err
	}
	out := result{status: res.Status, retryAfter: retryAfter(res.Header)}
	switch {
	case res.Status >= 200 && res.Status < 300:
		return out, nil
	case res.Status >= 300 && res.Status < 400:
		return out, fmt.Errorf("the receiver answered %d and redirects, which is not followed: "+
			"use the address that it redirects to", res.Status)
	}
	return out, fmt.Errorf("the receiver answered %d %s", res.Status, http.StatusText(res.Status))
}

// retryAfter returns the pause that Retry-After asks for in seconds, within bounds.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(min(n, 1<<20))*time.Second, maxPause)
}

// sign sets the headers of the Standard Webhooks specification: the id of the event, the time of the attempt and, with
// a secret, the signature over both and the body.
func sign(header http.Header, secret, id string, at time.Time, body []byte) error {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	header["webhook-id"] = []string{id}
	header["webhook-timestamp"] = []string{timestamp}
	if secret == "" {
		return nil
	}
	key, err := signingKey(secret)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	header["webhook-signature"] = []string{"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	return nil
}

// signingKey returns the key of a secret.
func signingKey(secret string) ([]byte, error) {
	if coded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		return base64.StdEncoding.DecodeString(coded)
	}
	return []byte(secret), nil
}
