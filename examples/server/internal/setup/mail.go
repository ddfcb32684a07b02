package setup

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// defaultSender ends the default of --mail-from, which is not the address of anybody.
const defaultSender = "localhost.localdomain"

// folder returns the folder that mail is written to, and false if it is sent.
func (s *steps) folder() (string, bool) { return strings.CutPrefix(s.Mail, "outbox:") }

// server returns the address of the mail server. openMailer has checked it.
func (s *steps) server() *url.URL {
	u, err := url.Parse(s.Mail)
	if err != nil {
		return &url.URL{}
	}
	return u
}

func (s *steps) lookAtMail(webui.SetupVisit) webui.SetupFinding {
	if s.Mailer == nil {
		return webui.SetupFinding{
			State: webui.SetupSkipped,
			Text:  "Community publishing is switched off (--no-community), so the server sends no mail.",
		}
	}
	f := webui.SetupFinding{State: webui.SetupTodo, Text: "Not tested yet."}
	if folder, ok := s.folder(); ok {
		f.Facts = []webui.SetupFact{{Name: "Mail server", Value: "none; mail is written to files in " + folder}}
		f.Text = "Mail is only written to files and not sent, so authors do not get their tokens."
		f.Fix = "Restart the server with a mail server. If only you publish titles, switch community " +
			"publishing off with --no-community (PATCHSOURCE_COMMUNITY=false)."
		f.Settings = mailSettings
	} else {
		f.Facts = s.mailFacts()
	}
	f.Facts = append(f.Facts, webui.SetupFact{Name: "Sender", Value: s.MailFrom})
	return f
}

// mailSettings name a mail server. The password belongs into the environment: other users can read command lines.
var mailSettings = append([]webui.SetupFact{
	{Name: "Variable", Value: "PATCHSOURCE_MAIL=smtp://user:password@mail.example.com:587", Copy: true},
}, setting("mail-from", "patches@example.com")...)

// mailFacts returns what is known about the mail server, without the password.
func (s *steps) mailFacts() []webui.SetupFact {
	u := s.server()
	host, how := u.Host, "STARTTLS"
	switch {
	case u.Scheme == "smtps":
		how = "TLS"
	case u.Query().Get("tls") == "off":
		how = "none"
	}
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"smtps": "465"}[u.Scheme])
		if u.Scheme == "smtp" {
			host = net.JoinHostPort(u.Hostname(), "587")
		}
	}
	facts := []webui.SetupFact{{Name: "Mail server", Value: host}, {Name: "Encryption", Value: how}}
	if user := u.User.Username(); user != "" {
		facts = append(facts, webui.SetupFact{Name: "User", Value: user})
	}
	return facts
}

func (s *steps) checkMail(ctx context.Context, v webui.SetupVisit) webui.SetupFinding {
	if s.Mailer == nil {
		return s.lookAtMail(v)
	}
	if _, err := mail.CheckAddress(v.Mailbox); err != nil {
		return webui.SetupFinding{
			State: webui.SetupFailed,
			Text:  "No mail was sent: " + reason(err, mail.ErrAddress) + ".",
		}
	}
	if !s.mails.Allow() {
		return webui.SetupFinding{
			State: webui.SetupWarning,
			Text:  "No mail was sent: at most one test mail a minute is sent, after the first three. Try again later.",
		}
	}
	err := s.Mailer.Send(ctx, mail.Message{
		To:      v.Mailbox,
		Subject: "Test mail from patchsource",
		Text: "This is a test mail from the patch source at " + s.site() + ".\n\nAn administrator has asked for it " +
			"on the page for the setup. If you have received it, the server can send mail.\n",
	})
	if err != nil {
		return s.mailFailure(err)
	}
	return s.mailSuccess()
}

// site returns what the test mail calls the server.
func (s *steps) site() string {
	if s.BaseURL != "" {
		return s.BaseURL
	}
	return s.Fallback
}

// mailSuccess returns the finding for a mail that was handed over.
func (s *steps) mailSuccess() webui.SetupFinding {
	if folder, ok := s.folder(); ok {
		return webui.SetupFinding{
			State:    webui.SetupWarning,
			Text:     "The test mail was written to a file in " + folder + ". It was not sent.",
			Fix:      "To send mail, restart the server with a mail server:",
			Settings: mailSettings,
		}
	}
	if strings.Contains(s.MailFrom, defaultSender) {
		return webui.SetupFinding{
			State: webui.SetupWarning,
			Text: "The mail server has accepted the test mail. But the sender is the default, which many " +
				"servers refuse.",
			Fix:      "Restart the server with an address of your domain as the sender:",
			Settings: setting("mail-from", "patches@example.com"),
		}
	}
	return webui.SetupFinding{
		State: webui.SetupDone,
		Text: "The mail server has accepted the test mail. If it does not arrive within a few minutes, look into the " +
			"spam folder, and let the domain of the sender allow the mail server (SPF, DKIM).",
	}
}

// mailFailure returns the finding for the error of a mail that was not handed over.
func (s *steps) mailFailure(err error) webui.SetupFinding {
	text := s.withoutPassword(reason(err, mail.ErrSend))
	f := webui.SetupFinding{
		State:    webui.SetupFailed,
		Text:     "The test mail could not be sent: " + shorten(text) + ".",
		Settings: mailSettings,
	}
	lower := strings.ToLower(text)
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(lower, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("no such host"):
		f.Fix = "The name of the mail server is not in DNS: correct it."
	case has("connection refused", "deadline exceeded", "timeout", "unreachable"):
		f.Fix = "There is no mail server at this port, or a firewall is in between: check the host and the port."
	case has("x509", "certificate"):
		f.Fix = "The certificate of the mail server is not valid for its name, or not trusted: use the name that is " +
			"in the certificate."
	case has("starttls"):
		f.Fix = "The mail server does not offer STARTTLS at this port: use smtps:// with port 465, or, within your " +
			"own network, smtp://HOST:25?tls=off."
	case has("535", "534", "authentication", "auth "):
		f.Fix = "The mail server refuses the user or the password: correct them. Special characters are written as " +
			"in URLs, such as %40 for @."
	case has("sender", "from", "550", "553", "relay"):
		f.Fix = "The mail server refuses the sender or the recipient: use a sender that it accepts."
		f.Settings = setting("mail-from", "patches@example.com")
	default:
		f.Fix = "See the log of the mail server, and check the settings."
	}
	return f
}

// reason returns the text of an error without that of the kind that it begins with.
func reason(err, kind error) string {
	if !errors.Is(err, kind) {
		return err.Error()
	}
	return strings.TrimPrefix(err.Error(), kind.Error()+": ")
}

// withoutPassword removes the password from what a mail server has answered, in which it may be repeated: as it is, as
// in a URL, or as the commands for authentication encode it, by itself or with the user.
func (s *steps) withoutPassword(text string) string {
	user := s.server().User
	password, _ := user.Password()
	if password == "" {
		return text
	}
	_, inURL, _ := strings.Cut(user.String(), ":")
	for _, secret := range []string{
		base64.StdEncoding.EncodeToString([]byte("\x00" + user.Username() + "\x00" + password)),
		base64.StdEncoding.EncodeToString([]byte(password)),
		password,
		url.PathEscape(password),
		url.QueryEscape(password),
		inURL,
	} {
		text = strings.ReplaceAll(text, secret, "(password)")
	}
	return text
}
