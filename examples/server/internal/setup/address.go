package setup

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// exampleURL is suggested if no address of the server is known.
const exampleURL = "https://patches.example.com"

// suggested returns the base URL to suggest: the one at which the browser has opened the page, unless other hosts
// cannot reach that.
func suggested(v webui.SetupVisit) string {
	u, err := url.Parse(v.Origin)
	if err != nil || isLocal(u.Hostname()) {
		return exampleURL
	}
	return v.Origin
}

func (s *steps) lookAtAddress(v webui.SetupVisit) webui.SetupFinding {
	if s.BaseURL == "" {
		return webui.SetupFinding{
			State: webui.SetupTodo,
			Text: "The base URL is not set. Links begin with " + s.Fallback + ", which other hosts may not be able " +
				"to open.",
			Fix:      "Restart the server with the address at which other hosts reach it, for example:",
			Settings: setting("base-url", suggested(v)),
		}
	}
	return webui.SetupFinding{
		State: webui.SetupTodo,
		Text:  "Not checked yet.",
		Facts: []webui.SetupFact{{Name: "Base URL", Value: s.BaseURL, Copy: true}},
	}
}

func (s *steps) checkAddress(ctx context.Context, v webui.SetupVisit) webui.SetupFinding {
	if s.BaseURL == "" {
		return s.lookAtAddress(v)
	}
	if u, err := url.Parse(s.BaseURL); err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return webui.SetupFinding{
			State:    webui.SetupFailed,
			Text:     "Jamf Pro cannot use this base URL: it has a user name, a query or a fragment.",
			Fix:      "Leave these out, and restart the server:",
			Settings: setting("base-url", suggested(v)),
		}
	}
	if err := s.findSelf(ctx); err != nil {
		return s.notFound(err)
	}
	switch found := "The server reaches itself at the base URL."; {
	case isLocal(s.host()):
		return webui.SetupFinding{
			State: webui.SetupWarning,
			Text:  found + " But that address means this machine only: Jamf Pro on another one cannot reach it.",
			Fix: "To try the server out on one machine, that is enough. Otherwise, restart it with an address that " +
				"other hosts know, and with --addr :8080, so that it listens on all addresses of this machine:",
			Settings: setting("base-url", suggested(v)),
		}
	case !sameOrigin(s.BaseURL, v.Origin):
		return webui.SetupFinding{
			State: webui.SetupWarning,
			Text:  found + " But you have opened this page at " + shorten(v.Origin) + ".",
			Fix: "If both lead here, open this page at the base URL from now on: links in mail lead there. If the " +
				"address in your browser is the right one, restart the server with it:",
			Settings: setting("base-url", suggested(v)),
		}
	default:
		return webui.SetupFinding{State: webui.SetupDone, Text: found + " It is the address in your browser, too."}
	}
}

// notFound returns the finding for the error of findSelf.
func (s *steps) notFound(err error) webui.SetupFinding {
	f := webui.SetupFinding{State: webui.SetupFailed}
	var other *stranger
	switch {
	case errors.As(err, &other) && other.location != "":
		f.Text = "At the base URL, " + other.Error() + "."
		f.Fix = "Jamf Pro does not follow redirects. Let the server or its proxy answer directly, or make the " +
			"address that the redirect leads to the base URL."
	case errors.As(err, &other):
		f.Text = "At the base URL, " + other.Error() + "."
		f.Fix = "Let the name, the reverse proxy or the port forwarding lead to this server, with every path, or " +
			"correct the base URL."
	default:
		f.Text = "The server does not reach itself at the base URL: " + shorten(describeUnreachable(err)) + "."
		f.Fix = "Check the spelling, the name in DNS, the port and firewalls. Some networks do not let a machine " +
			"reach its own public address: in that case, run this on another machine: patchsource doctor " + s.feedURL()
	}
	return f
}

// sameOrigin reports whether a URL has an origin.
func sameOrigin(address, origin string) bool {
	a, errA := url.Parse(address)
	b, errB := url.Parse(origin)
	return errA == nil && errB == nil && strings.EqualFold(a.Scheme, b.Scheme) &&
		strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

// portOf returns the port of a URL.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}
