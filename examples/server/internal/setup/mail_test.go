package setup

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi/webui"
)

const password = "pa55 w0rd"

// A mailServer is an SMTP server that accepts one password, and repeats a wrong one in its answer.
type mailServer struct{ accepts string }

// A mailSession is a connection to it.
type mailSession struct {
	smtp.Session
	server mailServer
}

func (s mailServer) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{server: s}, nil }

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, given string) error {
		if given != s.server.accepts {
			return &smtp.SMTPError{Code: 535, Message: "authentication failed: " + user + " " + given}
		}
		return nil
	}), nil
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(string, *smtp.RcptOptions) error {
	return &smtp.SMTPError{Code: 550, Message: "sender is not allowed"}
}
func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

// A mail server that refuses the password or the sender is named as such, and the password is nowhere.
func TestMailServerRefuses(t *testing.T) {
	issuer, roots := newAuthority(t)
	for _, test := range []struct {
		name, accepts, want string
	}{
		{"the password", "another", "refuses the user or the password"},
		{"the sender", password, "refuses the sender"},
	} {
		t.Run(test.name, func(t *testing.T) {
			listener, err := tls.Listen("tcp", "127.0.0.1:0",
				&tls.Config{Certificates: []tls.Certificate{issuer.issue(t, nil)}})
			if err != nil {
				t.Fatal(err)
			}
			s := smtp.NewServer(mailServer{test.accepts})
			served := make(chan error, 1)
			go func() { served <- s.Serve(listener) }()
			t.Cleanup(func() { _ = s.Close(); <-served })
			address := "smtps://ann:pa55%20w0rd@" + listener.Addr().String()
			mailer, err := mail.NewSMTP(address, "patches@example.com", &mail.SMTPOptions{RootCAs: roots})
			if err != nil {
				t.Fatal(err)
			}
			c := Config{Mailer: mailer, Mail: address, MailFrom: "patches@example.com"}
			f := check(t, c, "mail", webui.SetupVisit{Mailbox: "bob@example.com"})
			want(t, f, webui.SetupFailed, test.want)
			known := stepOf(t, New(c), "mail").Look(webui.SetupVisit{})
			want(t, known, webui.SetupTodo, "Mail server: "+listener.Addr().String(), "Encryption: TLS", "User: ann")
			for _, text := range []string{words(f), words(known)} {
				if strings.Contains(text, password) || strings.Contains(text, "pa55") {
					t.Errorf("the page shows the password: %s", text)
				}
			}
		})
	}
}

// A sender is a Mailer that fails with an error, or remembers what it has sent.
type sender struct {
	err  error
	sent []mail.Message
}

func (s *sender) Send(_ context.Context, m mail.Message) error {
	if s.err == nil {
		s.sent = append(s.sent, m)
	}
	return s.err
}

func TestMail(t *testing.T) {
	const server = "smtp://ann:secret@mail.example.com"
	fails := func(text string) error { return fmt.Errorf("%w: %w", mail.ErrSend, errors.New(text)) }
	for _, test := range []struct {
		name, mail, from, to string
		err                  error
		state                webui.SetupState
		texts                []string
	}{
		{
			"sent", server, "patches@example.com", "ann@example.com", nil, webui.SetupDone,
			[]string{"has accepted", "SPF"},
		},
		{
			"sent by the default sender", server, "patchsource@localhost.localdomain", "ann@example.com", nil,
			webui.SetupWarning, []string{"--mail-from patches@example.com"},
		},
		{
			"written to a file", "outbox:/srv/outbox", "patches@example.com", "ann@example.com", nil,
			webui.SetupWarning,
			[]string{"written to a file in /srv/outbox", "PATCHSOURCE_MAIL="},
		},
		{"no address", server, "", "", nil, webui.SetupFailed, []string{"must look like ann@company.com"}},
		{"a bad address", server, "", "ann", nil, webui.SetupFailed, []string{"No mail was sent"}},
		{
			"the password comes back", server, "", "ann@example.com", fails("535 wrong password secret"),
			webui.SetupFailed,
			[]string{"(password)", "refuses the user or the password"},
		},
		{
			"no such server", server, "", "ann@example.com", fails("dial tcp: lookup mail.example.com: no such host"),
			webui.SetupFailed, []string{"not in DNS"},
		},
		{
			"no answer", server, "", "ann@example.com", fails("context deadline exceeded"), webui.SetupFailed,
			[]string{"check the host and the port"},
		},
		{
			"a bad certificate", server, "", "ann@example.com", fails("tls: failed to verify certificate: x509: …"),
			webui.SetupFailed, []string{"not valid for its name"},
		},
		{
			"no STARTTLS", server, "", "ann@example.com", fails("STARTTLS not supported"), webui.SetupFailed,
			[]string{"smtps://"},
		},
		{
			"anything else", server, "", "ann@example.com", fails("451 try later"), webui.SetupFailed,
			[]string{"451 try later"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			mailer := &sender{err: test.err}
			c := Config{Mailer: mailer, Mail: test.mail, MailFrom: test.from, BaseURL: "https://patches.example.com"}
			f := check(t, c, "mail", webui.SetupVisit{Mailbox: test.to})
			want(t, f, test.state, test.texts...)
			if strings.Contains(words(f), "secret") {
				t.Errorf("the finding shows the password: %s", words(f))
			}
			delivered := test.state == webui.SetupDone || test.state == webui.SetupWarning
			if delivered && (len(mailer.sent) != 1 || !strings.Contains(mailer.sent[0].Text, c.BaseURL)) {
				t.Errorf("the mails are %+v", mailer.sent)
			}
		})
	}
}

// Without community publishing, no mail is sent.
func TestNoMail(t *testing.T) {
	setup := New(Config{})
	step := stepOf(t, setup, "mail")
	want(t, step.Look(webui.SetupVisit{}), webui.SetupSkipped, "--no-community")
	want(t, step.Check(t.Context(), webui.SetupVisit{Mailbox: "ann@example.com"}), webui.SetupSkipped)
	if step.Mailbox {
		t.Error("the page asks for an address")
	}
}

// Test mails are limited.
func TestMailsAreLimited(t *testing.T) {
	mailer := &sender{}
	step := stepOf(t, New(Config{Mailer: mailer, Mail: "smtp://mail.example.com"}), "mail")
	for range maxMails + 2 {
		step.Check(t.Context(), webui.SetupVisit{Mailbox: "ann@example.com"})
	}
	if len(mailer.sent) != maxMails {
		t.Errorf("%d mails were sent, want %d", len(mailer.sent), maxMails)
	}
	want(t, step.Check(t.Context(), webui.SetupVisit{Mailbox: "ann@example.com"}), webui.SetupWarning,
		"Try again later")
}

// The default ports are shown.
func TestMailFacts(t *testing.T) {
	for address, want := range map[string]string{
		"smtp://mail.example.com":            "mail.example.com:587 STARTTLS",
		"smtps://mail.example.com":           "mail.example.com:465 TLS",
		"smtp://mail.example.com:25?tls=off": "mail.example.com:25 none",
		"smtp://a:b@[2001:db8::1]:2525":      "[2001:db8::1]:2525 STARTTLS a",
	} {
		var got []string
		for _, fact := range (&steps{Config: Config{Mail: address}}).mailFacts() {
			got = append(got, fact.Value)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: the facts are %q, want %q", address, s, want)
		}
	}
}

// A mail server may repeat the command that it refuses, in which the password is encoded together with the user.
func TestMailFailureHidesCredentials(t *testing.T) {
	const user, password = "ann", "s3cr&t pass"
	s := &steps{Config: Config{Mail: "smtp://" + user + ":" + url.PathEscape(password) + "@mail.example.com"}}
	for _, secret := range []string{
		password,
		url.PathEscape(password),
		url.QueryEscape(password),
		url.UserPassword(user, password).String(),
		base64.StdEncoding.EncodeToString([]byte(password)),
		base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password)),
	} {
		f := s.mailFailure(errors.New("500 unknown command: AUTH PLAIN " + secret))
		if strings.Contains(f.Text, secret) {
			t.Errorf("the finding repeats the credentials: %s", f.Text)
		}
	}
}
