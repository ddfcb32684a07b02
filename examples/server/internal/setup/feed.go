package setup

import (
	"context"
	"fmt"

	"github.com/patchsource/patchsource/examples/server/internal/doctor"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// titleLinks lead to the pages on which titles are made.
var titleLinks = []webui.SetupLink{
	{Label: "New title", Path: "/new"},
	{Label: "From an application", Path: "/new#from-app"},
	{Label: "From a recipe", Path: "/feeds/new"},
	{Label: "Import titles", Path: "/backup#import"},
}

func (s *steps) lookAtTitles(webui.SetupVisit) webui.SetupFinding {
	f := webui.SetupFinding{State: webui.SetupTodo, Text: "There are no titles yet: create the first.",
		Links: titleLinks}
	if n := s.Titles(); n > 0 {
		f.Text = "This server has " + count(n, "title", "titles") + ". The feed is not checked yet."
	}
	return f
}

func (s *steps) checkTitles(ctx context.Context, v webui.SetupVisit) webui.SetupFinding {
	if s.Titles() == 0 {
		return s.lookAtTitles(v)
	}
	transport := s.insecureTransport()
	defer transport.CloseIdleConnections()
	options := s.Doctor
	options.NoFlags, options.Transport = true, transport
	report, err := doctor.Examine(ctx, s.feedURL(), &options)
	if err != nil {
		return webui.SetupFinding{State: webui.SetupFailed, Text: sentence(err.Error()), Links: titleLinks}
	}
	f := summarize(report, func(f doctor.Finding) bool {
		return !isConnection(f) || f.Severity == doctor.Error && f.Check != doctor.CheckCertificate
	})
	f.Links = titleLinks
	switch {
	case report.Titles == 0 && f.State != webui.SetupFailed:
		f.State = webui.SetupFailed
		f.Text = "The feed at " + s.feedURL() + " is empty, although this server has titles."
		f.Fix = "Another server answers there: check the address."
		f.Lines = nil
	case f.State == webui.SetupDone:
		f.Text = fmt.Sprintf("The feed at %s lists %s, and Jamf Pro can use %s.", s.feedURL(),
			count(report.Titles, "title", "titles"), examined(report))
	}
	return f
}

// examined says which definitions were examined.
func examined(r *doctor.Report) string {
	switch {
	case r.Titles == 1:
		return "its definition"
	case r.Examined == r.Titles:
		return "all definitions"
	}
	return fmt.Sprintf("the %d definitions that were examined", r.Examined)
}

// report examines the feed as patchsource doctor does.
func (s *steps) report(ctx context.Context, _ webui.SetupVisit) webui.SetupFinding {
	options := s.Doctor
	options.NoFlags = true
	report, err := doctor.Examine(ctx, s.feedURL(), &options)
	if err != nil {
		return webui.SetupFinding{State: webui.SetupFailed, Text: sentence(err.Error())}
	}
	f := webui.SetupFinding{
		State: webui.SetupDone,
		Text:  "Jamf Pro can use the feed at " + report.URL + ".",
		Lines: lines(report.Findings),
	}
	errors, warnings := report.Count(doctor.Error), report.Count(doctor.Warning)
	switch {
	case !report.Reached:
		f.State, f.Text = webui.SetupFailed, "The feed at "+report.URL+" cannot be reached."
	case errors > 0:
		f.State = webui.SetupFailed
		f.Text = "Jamf Pro cannot use the feed at " + report.URL + ", or a part of it, until " +
			count(errors, "error is", "errors are") + " mended."
	case warnings > 0:
		f.State = webui.SetupWarning
		f.Text += " The examination has " + count(warnings, "warning", "warnings") + "."
	}
	return f
}

// count returns a number and the form of a noun for it.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
