package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// DefaultTimeout is how long handing a message over may take in all when
// [SMTPOptions] says nothing else.
const DefaultTimeout = 20 * time.Second

// SMTPOptions are options of [NewSMTP]. Nil means the zero value.
type SMTPOptions struct {
	// Timeout bounds one message, from the connection to the server's last word.
	// 0: DefaultTimeout.
	Timeout time.Duration
	// RootCAs are whom to trust for the server's certificate. Nil: the system's.
	RootCAs *x509.CertPool
}

// SMTP is a Mailer that hands messages to a server. Make one with [NewSMTP].
type SMTP struct {
	from    string
	host    string
	options []gomail.Option
	timeout time.Duration
}

// NewSMTP makes a Mailer for the server at an address:
//
//	smtp://user:password@mail.example.com:587    STARTTLS, and no mail without it
//	smtps://user:password@mail.example.com:465   TLS from the first byte
//	smtp://localhost:25?tls=off                  in the clear, and without a password
//
// The port may be left out: it is then 587 or 465. User and password are sent as
// the server asks for them; special characters in them are %-encoded. from is the
// sender, as ann@example.com or Ann <ann@example.com>. The server is not asked
// anything yet.
//
// The error is [ErrAddress] for the sender, or says what is wrong with the address
// of the server, without its password.
func NewSMTP(address, from string, opts *SMTPOptions) (*SMTP, error) {
	if err := checkSender(from); err != nil {
		return nil, err
	}
	var o SMTPOptions
	if opts != nil {
		o = *opts
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New(
			"mail: the address of the SMTP server cannot be read: it must look like smtp://user:password@mail.example.com:587",
		)
	}
	query := u.Query()
	plain := query.Get("tls") == "off"
	switch {
	case u.Scheme != "smtp" && u.Scheme != "smtps", u.Hostname() == "", u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf(
			"mail: %s: it must look like smtp://user:password@mail.example.com:587, or smtps://…",
			u.Redacted(),
		)
	case len(query) > 1, len(query) == 1 && !plain, plain && u.Scheme == "smtps":
		return nil, fmt.Errorf("mail: %s: the only parameter is tls=off, of smtp://", u.Redacted())
	case plain && u.User != nil:
		return nil, fmt.Errorf(
			"mail: %s: a password is not sent in the clear: leave out tls=off, or the user",
			u.Redacted(),
		)
	}
	port := 587
	if u.Scheme == "smtps" {
		port = 465
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("mail: %s: there is no port %s", u.Redacted(), p)
		}
	}
	s := &SMTP{from: from, host: u.Hostname(), timeout: o.Timeout}
	s.options = []gomail.Option{
		gomail.WithPort(port),
		gomail.WithTimeout(o.Timeout),
		gomail.WithTLSConfig(&tls.Config{ServerName: u.Hostname(), RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}),
	}
	switch {
	case u.Scheme == "smtps":
		s.options = append(s.options, gomail.WithSSL())
	case plain:
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		s.options = append(
			s.options,
			gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()),
			gomail.WithPassword(password),
		)
	}
	if _, err := gomail.NewClient(s.host, s.options...); err != nil {
		return nil, fmt.Errorf("mail: %s: %w", u.Redacted(), err)
	}
	return s, nil
}

// Send implements [Mailer]. Each message has a connection of its own.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg, err := build(s.from, m)
	if err != nil {
		return err
	}
	client, err := gomail.NewClient(s.host, s.options...)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSend, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	// The library bounds each step; a server that drips bounds nothing by that.
	sent := make(chan error, 1)
	go func() { sent <- client.DialAndSendWithContext(ctx, msg) }()
	select {
	case err = <-sent:
	case <-ctx.Done():
		_ = client.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSend, withoutAddress(err, m.To))
	}
	return nil
}

// withoutAddress takes the recipient out of an error: servers repeat it, and it is
// not for logs.
func withoutAddress(err error, address string) error {
	address = strings.TrimSpace(address)
	local, _, _ := strings.Cut(address, "@")
	text := err.Error()
	for _, s := range []string{address, local + "@"} {
		text = regexp.MustCompile("(?i)"+regexp.QuoteMeta(s)).ReplaceAllString(text, "(recipient)")
	}
	return errors.New(text)
}
