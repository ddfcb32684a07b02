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

const (
	defaultTimeout = 20 * time.Second
	// noTimeout takes the place of a timeout if there is none.
	noTimeout = 365 * 24 * time.Hour
)

// SMTPOptions are the options of [NewSMTP]. A nil *SMTPOptions means the zero value.
type SMTPOptions struct {
	// Timeout bounds the sending of one message, from the connection to the last reply of the server. The default is
	// 20 s; a negative number means that only the context bounds it.
	Timeout time.Duration
	// RootCAs are the certificate authorities that are trusted for the server's certificate. If nil, those of the
	// system are.
	RootCAs *x509.CertPool
}

// An smtpMailer is a Mailer that hands messages to a server.
type smtpMailer struct {
	from    string
	host    string
	options []gomail.Option
	timeout time.Duration
}

// NewSMTP makes a Mailer for the server at an address:
//
//	smtp://user:password@mail.example.com:587    STARTTLS is required
//	smtps://user:password@mail.example.com:465   implicit TLS
//	smtp://localhost:25?tls=off                  no encryption, and no password
//
// The default port is 587 or 465. User and password are sent with the mechanism that the server prefers; special
// characters in them are percent-encoded. from is the sender, as ann@example.com or Ann <ann@example.com>. NewSMTP does
// not connect to the server.
//
// The error is [ErrAddress] for the sender, or says what is wrong with the address of the server, without its password.
func NewSMTP(address, from string, opts *SMTPOptions) (Mailer, error) {
	if err := checkSender(from); err != nil {
		return nil, err
	}
	var o SMTPOptions
	if opts != nil {
		o = *opts
	}
	switch {
	case o.Timeout == 0:
		o.Timeout = defaultTimeout
	case o.Timeout < 0:
		o.Timeout = noTimeout
	}
	u, err := parseServer(address)
	if err != nil {
		return nil, err
	}
	options, err := clientOptions(u, o)
	if err != nil {
		return nil, err
	}
	if _, err := gomail.NewClient(u.Hostname(), options...); err != nil {
		return nil, fmt.Errorf("mail: %s: %w", u.Redacted(), err)
	}
	return &smtpMailer{from: from, host: u.Hostname(), options: options, timeout: o.Timeout}, nil
}

// parseServer parses and checks the address of a server.
func parseServer(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" { // without a host, a password may be anywhere in it
		return nil, errors.New("mail: the address of the SMTP server cannot be parsed: " +
			"it must look like smtp://user:password@mail.example.com:587")
	}
	query := u.Query()
	plain := query.Get("tls") == "off"
	switch {
	case u.Scheme != "smtp" && u.Scheme != "smtps", u.Hostname() == "", u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("mail: %s: it must look like smtp://user:password@mail.example.com:587, or smtps://…",
			u.Redacted())
	case len(query) > 1, len(query) == 1 && !plain, plain && u.Scheme == "smtps":
		return nil, fmt.Errorf("mail: %s: the only parameter is tls=off, and only with smtp://", u.Redacted())
	case plain && u.User != nil:
		return nil, fmt.Errorf("mail: %s: a password is never sent without encryption: remove tls=off or the user",
			u.Redacted())
	}
	return u, nil
}

// clientOptions returns the options of the library for a server.
func clientOptions(u *url.URL, o SMTPOptions) ([]gomail.Option, error) {
	port := 587
	if u.Scheme == "smtps" {
		port = 465
	}
	if p := u.Port(); p != "" {
		var err error
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("mail: %s: %s is not a port", u.Redacted(), p)
		}
	}
	options := []gomail.Option{
		gomail.WithPort(port),
		gomail.WithTimeout(o.Timeout),
		gomail.WithTLSConfig(&tls.Config{ServerName: u.Hostname(), RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}),
	}
	switch {
	case u.Scheme == "smtps":
		options = append(options, gomail.WithSSL())
	case u.Query().Get("tls") == "off":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options,
			gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()),
			gomail.WithPassword(password),
		)
	}
	return options, nil
}

// Send implements Mailer. Each message has a connection of its own.
func (s *smtpMailer) Send(ctx context.Context, m Message) error {
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
	// The library bounds each step. A server that answers slowly could make many steps.
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

// withoutAddress removes the recipient's address from an error. Servers repeat it in their replies, and it must not be
// logged.
func withoutAddress(err error, address string) error {
	address = strings.TrimSpace(address)
	local, _, _ := strings.Cut(address, "@")
	text := err.Error()
	for _, s := range []string{address, local + "@"} {
		text = regexp.MustCompile("(?i)"+regexp.QuoteMeta(s)).ReplaceAllString(text, "(recipient)")
	}
	return errors.New(text)
}
