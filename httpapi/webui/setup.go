package webui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Setup describes the page /setup, which leads an administrator through the configuration of a server. The program
// that embeds the page supplies the steps; the page shows them, and has each of them checked when the administrator
// asks for it.
type Setup struct {
	// Steps are the steps in their order. Their IDs must differ.
	Steps []SetupStep
	// Report, if not nil, is a check of everything together, which the page offers below the steps.
	Report *SetupStep
	// Fresh reports whether no administrator has signed in to the server yet: the page for signing in then mentions the
	// setup. It must be fast. If nil, the page never mentions it.
	Fresh func() bool
	// Timeout bounds one check. The default is one minute.
	Timeout time.Duration
}

// A SetupStep is a step of a [Setup].
type SetupStep struct {
	// ID identifies the step in paths. It consists of lower-case letters, digits and hyphens.
	ID string
	// Name is the heading, and About says what the step is for.
	Name, About string
	// Manual is the address of the section of a manual about the step: a URL, or a path below that of the page, such as
	// /docs/server#https. If empty, there is no link to one.
	Manual string
	// Button is the label of the button that starts the check. The default is "Check".
	Button string
	// Mailbox says that the check needs a mail address, which the visitor enters.
	Mailbox bool
	// Look returns what is known without a check. It is called whenever the page is shown, and must be fast.
	Look func(v SetupVisit) SetupFinding
	// Check checks the step. ctx ends after Setup.Timeout, and when the visitor hangs up; Check must then return. At
	// most one check runs at a time. If nil, Look is called in its place.
	Check func(ctx context.Context, v SetupVisit) SetupFinding
}

// A SetupVisit is what the functions of a step know about a request.
type SetupVisit struct {
	// Origin is the scheme and the host at which the visitor's browser has opened the page. Clients choose it.
	Origin string
	// Mailbox is the mail address that the visitor entered.
	Mailbox string
	// Server, Port and SSL are what an administrator of Jamf Pro enters to add the source.
	Server, Port string
	SSL          bool
}

// A SetupState is the state of a step, or the severity of a line.
type SetupState string

// The states of a step.
const (
	SetupTodo    SetupState = "to do"
	SetupDone    SetupState = "done"
	SetupWarning SetupState = "warning" // it works, but perhaps not as intended
	SetupFailed  SetupState = "failed"
	SetupSkipped SetupState = "skipped" // the step does not apply to this server
)

// Style returns the class of the badge of a state. It is empty for a neutral one.
func (s SetupState) Style() string {
	switch s {
	case SetupDone:
		return "good"
	case SetupWarning:
		return "warn"
	case SetupFailed:
		return "bad"
	}
	return ""
}

// Severity returns the state in the words of a report.
func (s SetupState) Severity() string {
	switch s {
	case SetupDone:
		return "ok"
	case SetupFailed:
		return "error"
	}
	return string(s)
}

// A SetupFinding is what is known about a step. It must not contain secrets.
type SetupFinding struct {
	State SetupState
	// Text says what was found, and Fix how to mend it, each in whole sentences.
	Text, Fix string
	// Settings are the settings that mend it, of which one suffices.
	Settings []SetupFact
	// Facts are shown as a list.
	Facts []SetupFact
	// Lines are the lines of a report.
	Lines []SetupLine
	// Links lead to other pages of the server.
	Links []SetupLink
}

// A SetupFact is a name and a value.
type SetupFact struct {
	Name, Value string
	// At is the value if it is a time. It is zero otherwise.
	At time.Time
	// Copy offers to copy the value.
	Copy bool
}

// A SetupLine is a line of a report.
type SetupLine struct {
	State      SetupState
	Name, Text string
}

// A SetupLink is a link to a page of the server. Path begins with a slash.
type SetupLink struct{ Label, Path string }

// defaultSetupTimeout is the default of Setup.Timeout.
const defaultSetupTimeout = time.Minute

// check reports why the steps cannot be used.
func (s *Setup) check() error {
	seen := map[string]bool{}
	for _, step := range s.all() {
		valid := step.ID != "" && strings.Trim(step.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
		if !valid || seen[step.ID] || step.Look == nil {
			return fmt.Errorf("webui: the step %q of Options.Setup needs a Look, and an ID of its own of lower-case "+
				"letters, digits and hyphens", step.ID)
		}
		seen[step.ID] = true
	}
	if len(seen) == 0 {
		return errors.New("webui: Options.Setup has no steps")
	}
	return nil
}

// all returns the steps and the report.
func (s *Setup) all() []SetupStep {
	if s.Report == nil {
		return s.Steps
	}
	return append(s.Steps[:len(s.Steps):len(s.Steps)], *s.Report)
}

// setupVisit returns what the steps know about the visit.
func (v *visit) setupVisit() SetupVisit {
	jamf := v.jamf()
	return SetupVisit{
		Origin:  v.origin(),
		Mailbox: v.value("mailbox"),
		Server:  jamf.Server,
		Port:    jamf.Port,
		SSL:     jamf.SSL,
	}
}

// origin returns the scheme and the host at which the visitor's browser has opened the page. Browsers name them with
// every form; otherwise, the origin is that of the request, which a reverse proxy may have changed.
func (v *visit) origin() string {
	if u, err := url.Parse(v.r.Header.Get("Origin")); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	u := url.URL{Scheme: "http", Host: v.r.Host}
	if v.r.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// routeSetup registers the page, if the server has it.
func (h *handler) routeSetup() {
	if h.setup == nil {
		return
	}
	on(h, "GET /setup", setupPages.get)
	on(h, "GET /setup/{step}", setupPages.get)
	on(h, "POST /setup/{step}", setupPages.check)
}

// fresh reports whether the page for signing in mentions the setup.
func (h *handler) fresh() bool { return h.setup != nil && h.setup.Fresh != nil && h.setup.Fresh() }

// setupAllowed reports whether the visitor may use the setup. If not, it shows an error. Unlike elsewhere, no call of
// the API decides: a visitor of a kind that the page does not know may not, unless the Session says so.
func (v *visit) setupAllowed() bool {
	if !v.signedIn() {
		return false
	}
	if !v.visitor.MaySetUp() {
		v.fail(http.StatusForbidden, "Only administrators can see this page.")
		return false
	}
	return true
}
