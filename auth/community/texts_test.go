package community_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
)

// content returns all that a mail client shows.
func content(m mail.Message) string { return m.Subject + "\n" + m.Text + "\n" + m.HTML }

// TestMailsHaveNoForeignLinks checks that mails of a title contain nothing that its author wrote but the id, and no
// part of it that a mail client turns into a link.
func TestMailsHaveNoForeignLinks(t *testing.T) {
	for _, c := range []struct {
		name, id, site, shown string
	}{
		{"plain id", "Xcode", site, "Xcode_Ann"},
		{"host name", "evil.example", site, "evil(.)example_Ann"},
		{"host name without a site", "evil.example", "", "evil(.)example_Ann"},
		{"version", "App_12.5", site, "App_12.5_Ann"},
		{"host name that begins like a version", "3.5x.example", site, "3(.)5x(.)example_Ann"},
		{"dot at the end", "App.", site, "App(.)_Ann"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, community.Options{Site: c.site})
			p := publication("Ann", "ann@example.com")
			p.Definition.ID, p.Definition.Name = c.id, "You won: evil.example/login"
			if _, err := s.Publish(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if err := s.Reset(t.Context(), c.id+"_Ann", "ann@example.com"); err != nil {
				t.Fatal(err)
			}
			s.wait(t)
			s.checkMails(t, 0, 2)
			for _, m := range s.mailbag.mails {
				if !strings.Contains(m.Subject, c.shown) || !strings.Contains(m.Text, c.shown) {
					t.Errorf("subject %q or text %q does not contain %s", m.Subject, m.Text, c.shown)
				}
				checkNoForeignLink(t, m, c.site)
			}
		})
	}
}

var hostPattern = regexp.MustCompile(`(?i)[a-z0-9]\.(com|example)`)

// checkNoForeignLink checks that a mail has no host name but that of the site, and not the name of the title.
func checkNoForeignLink(t *testing.T, m mail.Message, site string) {
	t.Helper()
	rest := content(m)
	if site != "" {
		rest = regexp.MustCompile(regexp.QuoteMeta(site)+`/\S*`).ReplaceAllString(rest, "")
	}
	if strings.Contains(rest, "won") || hostPattern.MatchString(rest) {
		t.Errorf("the mail contains what its author wrote: %s", content(m))
	}
}

// TestLinkOfNameWithDots checks that a contributor's name cannot be taken for a host either, and that the link works.
func TestLinkOfNameWithDots(t *testing.T) {
	s := newService(t, community.Options{Site: site})
	if err := s.Register(t.Context(), "Evil.Example", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	if all := content(s.mailbag.mails[0]); strings.Contains(strings.ToLower(all), "evil.example") {
		t.Errorf("the mail contains the name as a host name: %s", all)
	}
	id, code := s.mailbag.link(t, "ann@example.com")
	if _, err := s.Verify(t.Context(), id, code); err != nil || id != "evil.example" {
		t.Errorf("Verify(%q): %v", id, err)
	}
}

// TestUnwantedMails checks that mails that others have sent to a mailbox neither contain what they wrote nor keep its
// owner from a reset.
func TestUnwantedMails(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: 2})
	p := publication("Ann", "ann@example.com")
	p.Definition.Name = "X\". You won: http://evil.example/claim"
	if _, err := s.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if all := content(s.mailbag.mails[0]); strings.Contains(all, "evil") {
		t.Errorf("the mail contains the title's name: %s", all)
	}
	for i := range 3 {
		_ = s.Register(t.Context(), fmt.Sprintf("junk%d", i), "ann@example.com")
	}
	before := len(s.mailbag.mails)
	if err := s.Reset(t.Context(), "Xcode_Ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	s.wait(t)
	s.checkMails(t, before, 1)
	s.mailbag.lastToken(t, "ann@example.com")
}

func TestTemplates(t *testing.T) {
	s := newService(t, community.Options{Templates: community.Templates{
		Published: community.Template{Subject: "For\n{{.Name}}", Text: "{{.Token}}", HTML: "<b>{{.Name}}</b>"},
	}})
	p := publication("Ann", "ann@example.com")
	p.Definition.Name = "<script> Bcc: x@y.zz"
	if _, err := s.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if m := s.mailbag.mails[0]; m.Subject != "For Xcode_Ann" || strings.Contains(m.Text+m.HTML, "script") {
		t.Errorf("the mail is %+v", m)
	}
	for _, invalid := range []string{"{{", "{{.Nothing}}"} {
		opts := &community.Options{Templates: community.Templates{Reset: community.Template{Text: invalid}}}
		_, err := community.Open(t.Context(), s.parts(), opts)
		if err == nil || !strings.Contains(err.Error(), "Reset") {
			t.Errorf("Open with the template %q: %v, want an error that names Reset", invalid, err)
		}
	}
}
