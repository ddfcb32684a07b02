package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxRenewalCheck is the time between two looks at a certificate. Those with a short life are looked at more often.
	maxRenewalCheck = 10 * time.Minute
	// renewalReminder is the number of looks between two log lines about a certificate that is not renewed.
	renewalReminder = 36
)

// watch logs when the certificate for a name was renewed, which autocert does without a word, and when that is overdue,
// until ctx ends. cert is the certificate at the start.
func (a *acmeIssuer) watch(ctx context.Context, name string, cert *x509.Certificate) {
	for overdue := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(maxRenewalCheck, cert.NotAfter.Sub(cert.NotBefore)/20)):
		}
		now, err := a.current(name)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // the next look tells more
		case !now.Equal(cert):
			cert, overdue = now, 0
			a.log.Info("have a new certificate", "name", name, "expires", cert.NotAfter)
		case time.Now().After(renewedBy(cert)):
			if overdue%renewalReminder == 0 {
				a.log.Error("the certificate was not renewed; the old one is used, and the server tries again within "+
					"an hour, or when it starts: the CA must reach this server at port 443, or at port 80 with "+
					"--http-addr, under the name",
					"name", name, "expires", cert.NotAfter, "error", a.calls.lastError())
			}
			overdue++
		}
	}
}

// renewedBy returns the time by which autocert has renewed a certificate if it has not failed: it begins when a third
// of the life of the certificate is left, but at most 30 days, or up to a tenth of that, but at most an hour, later.
func renewedBy(cert *x509.Certificate) time.Time {
	life := cert.NotAfter.Sub(cert.NotBefore)
	left := min(life/3, 30*24*time.Hour)
	return cert.NotAfter.Add(-left + min(left/10, time.Hour) + min(life/20, 10*time.Minute))
}

// acmeCalls makes the requests to the CA, and keeps the reason of the last failure.
type acmeCalls struct {
	next http.RoundTripper

	mu   sync.Mutex
	last error
}

// RoundTrip implements http.RoundTripper.
func (c *acmeCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	failure := err
	if err == nil && res.StatusCode >= 400 {
		failure = fmt.Errorf("%s %s: the CA answers %s", r.Method, r.URL.Redacted(), res.Status)
	}
	if failure != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last = failure
	}
	return res, err
}

// lastError returns the reason of the last request that failed.
func (c *acmeCalls) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return errors.New("unknown: the CA has answered all requests")
	}
	return c.last
}
