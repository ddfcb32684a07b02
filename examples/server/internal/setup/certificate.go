package setup

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/examples/server/internal/doctor"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// states are the states for the severities of package doctor.
var states = map[doctor.Severity]webui.SetupState{
	doctor.OK:      webui.SetupDone,
	doctor.Warning: webui.SetupWarning,
	doctor.Error:   webui.SetupFailed,
}

// connectionChecks are the checks that concern the connection, and not what the server answers.
var connectionChecks = []string{
	doctor.CheckAddress, doctor.CheckConnect, doctor.CheckCertificate, doctor.CheckTLSVersion, doctor.CheckRedirect,
	doctor.CheckLatency,
}

func (s *steps) lookAtCertificate(webui.SetupVisit) webui.SetupFinding {
	served := "this server, with " + s.Certificate
	switch {
	case s.Certificate != "":
	case s.encrypted():
		served = "a reverse proxy; this server has no certificate of its own"
	default:
		served = "no server yet; this one has no certificate of its own"
	}
	f := webui.SetupFinding{
		State: webui.SetupTodo,
		Text:  "Not checked yet.",
		Facts: []webui.SetupFact{{Name: "Served by", Value: served}},
	}
	if s.BaseURL == "" {
		f.Text = "The certificate is checked at the base URL, which is not set: begin with the address."
	}
	return f
}

func (s *steps) checkCertificate(ctx context.Context, v webui.SetupVisit) webui.SetupFinding {
	if s.BaseURL == "" {
		return webui.SetupFinding{State: webui.SetupTodo, Text: s.lookAtCertificate(v).Text}
	}
	options := s.Doctor
	options.Connection, options.NoFlags = true, true
	report, err := doctor.Examine(ctx, s.feedURL(), &options)
	if err != nil {
		return webui.SetupFinding{State: webui.SetupFailed, Text: sentence(err.Error())}
	}
	f := summarize(report, func(f doctor.Finding) bool {
		return f.Check != doctor.CheckAddress && f.Check != doctor.CheckLatency
	})
	f.Facts = s.certificateFacts(report)
	switch {
	case f.State != webui.SetupFailed && !s.encrypted():
		return s.unencrypted()
	case f.State != webui.SetupFailed || !s.encrypted():
	case s.Certificate == "":
		f.Fix = "This server has no certificate of its own: mend it at the reverse proxy, or let the server obtain one:"
		f.Settings = s.certificateSettings()
	case s.Certificate == acme:
		f.Fix = "The server renews its certificate by itself: its log says why that has failed."
	case strings.Contains(f.Text, "trust"):
		f.Fix = "If Jamf Pro trusts the authority already, add it to the authorities of this machine, so that the " +
			"check succeeds, too."
	}
	return f
}

// acme is the Config.Certificate of a server that obtains its certificates by itself.
const acme = "--acme"

// unencrypted returns the finding for a base URL without HTTPS.
func (s *steps) unencrypted() webui.SetupFinding {
	f := webui.SetupFinding{
		State: webui.SetupWarning,
		Text: "The base URL begins with http://, so the connection is not encrypted: anyone in between can change " +
			"the scripts and versions that Jamf Pro reads.",
		Fix: "To try the server out on a lab machine, that is enough: do not select Use SSL in Jamf Pro. For " +
			"everything else, serve HTTPS, by a reverse proxy or by the server itself:",
		Settings: s.certificateSettings(),
	}
	if s.Certificate != "" {
		f.Fix = "The server has a certificate: restart it with a base URL that begins with https://."
		f.Settings = setting("base-url", "https://"+strings.TrimPrefix(s.BaseURL, "http://"))
	}
	return f
}

// certificateSettings returns the settings that give the server a certificate. A CA issues one for a public name only.
func (s *steps) certificateSettings() []webui.SetupFact {
	host := s.host()
	if isLocal(host) || net.ParseIP(host) != nil || !strings.Contains(host, ".") {
		return append(setting("tls-cert", "certificate.pem"), setting("tls-key", "key.pem")...)
	}
	return setting("acme", host)
}

// certificateFacts returns who issued the certificate, for what, and until when.
func (s *steps) certificateFacts(r *doctor.Report) []webui.SetupFact {
	c := r.Certificate
	if c == nil {
		return nil
	}
	now := time.Now
	if s.Doctor.Now != nil {
		now = s.Doctor.Now
	}
	expires := c.NotAfter.UTC().Format(time.DateOnly)
	switch days := int(c.NotAfter.Sub(now()).Hours() / 24); {
	case c.NotAfter.Before(now()):
		expires += " (expired)"
	case days == 1:
		expires += " (in 1 day)"
	default:
		expires += fmt.Sprintf(" (in %d days)", days)
	}
	return []webui.SetupFact{
		{Name: "Issued for", Value: shorten(c.Names)},
		{Name: "Issued by", Value: shorten(c.Issuer)},
		{Name: "Expires", Value: expires},
	}
}

// summarize returns the findings of a report for which about returns true as one: the most serious ones give the state
// and the text. Those that are not OK are its lines if there are several.
func summarize(r *doctor.Report, about func(doctor.Finding) bool) webui.SetupFinding {
	f := webui.SetupFinding{State: webui.SetupDone}
	var found, sound []doctor.Finding
	for _, severity := range []doctor.Severity{doctor.Error, doctor.Warning} {
		for _, one := range r.Findings {
			if one.Severity == severity && about(one) {
				found = append(found, one)
			}
		}
	}
	for _, one := range r.Findings {
		if one.Severity == doctor.OK && about(one) {
			sound = append(sound, one)
		}
	}
	switch len(found) {
	case 0:
		for _, one := range sound {
			f.Text += sentence(one.Message) + " "
		}
		f.Text = strings.TrimSpace(f.Text)
	case 1:
		f.State, f.Text = states[found[0].Severity], sentence(found[0].Message)
	default:
		f.State, f.Text = states[found[0].Severity], fmt.Sprintf("There are %d findings:", len(found))
		f.Lines = lines(found)
	}
	return f
}

// lines returns findings as the page shows them.
func lines(found []doctor.Finding) (all []webui.SetupLine) {
	for _, f := range found {
		all = append(all, webui.SetupLine{State: states[f.Severity], Name: f.Check, Text: sentence(f.Message)})
	}
	return all
}

// isConnection reports whether a finding concerns the connection.
func isConnection(f doctor.Finding) bool { return slices.Contains(connectionChecks, f.Check) }
