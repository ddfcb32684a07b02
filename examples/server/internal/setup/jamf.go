package setup

import (
	"fmt"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// lookAtJamf says what to enter in Jamf Pro, and whether anything has read a list. What Jamf Pro calls itself is not
// known, so the finding speaks of a client.
func (s *steps) lookAtJamf(v webui.SetupVisit) webui.SetupFinding {
	ssl := "select it"
	if !v.SSL {
		ssl = "do not select it"
	}
	f := webui.SetupFinding{
		State: webui.SetupTodo,
		Facts: []webui.SetupFact{
			{Name: "Display Name", Value: "Patchsource", Copy: true},
			{Name: "Server", Value: v.Server, Copy: true},
			{Name: "Port", Value: v.Port, Copy: true},
			{Name: "Use SSL", Value: ssl},
		},
	}
	if s.BaseURL == "" {
		f.Fix = "The values are those of the address in your browser: set the base URL first. "
	}
	read, ok := s.LastRead()
	switch {
	case !ok:
		f.Text = "No client other than this machine has read the list of titles since this server started."
		f.Fix += "Jamf Pro reads the list when you click Test, and at intervals from then on. If it comes through a " +
			"reverse proxy on this machine, name that proxy, so that the server sees where requests come from:"
		f.Settings = setting("trusted-proxies", "127.0.0.1/32")
	case read.Browser:
		f.Text = "A browser has read the list of titles, but nothing else has since this server started."
		f.Fix += "Jamf Pro reads the list when you click Test, and at intervals from then on."
	default:
		f.State = webui.SetupDone
		f.Text = "A client has read the list of titles. Compare its address with that of Jamf Pro, or of the proxy " +
			"in between: the server cannot tell by itself who it was."
	}
	if ok {
		agent := ", which does not say what it is"
		if read.UserAgent != "" {
			agent = fmt.Sprintf(", which calls itself %q", read.UserAgent)
		}
		f.Facts = append(f.Facts,
			webui.SetupFact{Name: "Last read", At: read.At},
			webui.SetupFact{Name: "Read from", Value: read.Client.String() + agent})
	}
	if s.Shared {
		f.Text += " Each server knows only the requests that it has answered itself: with several servers, look at " +
			"the others, too."
	}
	return f
}
