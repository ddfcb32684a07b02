package app

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// plainHandler returns the handler of --http-addr. It serves the feed, as next does, and refuses everything else. It
// never redirects, because Jamf Pro does not follow redirects.
func (w *web) plainHandler(f *flags, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if feed.Serves(r.URL.Path, rootFeed) {
			next.ServeHTTP(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Cache-Control", "no-store")
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		rw.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(rw).Encode(wire.Error{
			Message: "Without TLS, this server answers only the feed of Jamf Pro: use " + w.secureURL(f, r) + ".",
			Code:    wire.CodeForbidden,
		})
	})
}

// secureURL returns the https URL of the server for the client of a request that came without TLS.
func (w *web) secureURL(f *flags, r *http.Request) string {
	if strings.HasPrefix(f.BaseURL, "https://") {
		return strings.TrimRight(f.BaseURL, "/")
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, port, _ := net.SplitHostPort(w.listener.Addr().String())
	if port != "443" {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return "https://" + host
}
