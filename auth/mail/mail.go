// Package mail sends a message to one mailbox: over SMTP ([NewSMTP]), or into a directory for development
// ([NewOutbox]). It uses wneessen/go-mail.
//
// A message has a text and an optional HTML part. Its headers are checked and encoded: they cannot contain a line
// break.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// Errors that a Mailer returns, as targets of errors.Is.
var (
	// ErrAddress is returned for a string that is not the address of a mailbox.
	ErrAddress = errors.New("invalid mail address")
	// ErrMessage is returned for a message that cannot be encoded.
	ErrMessage = errors.New("invalid message")
	// ErrSend is returned for a message that could not be handed over. It was not delivered, or it is not known whether
	// it was.
	ErrSend = errors.New("the message could not be sent")
)

// A Message is a mail to one mailbox.
type Message struct {
	// To is the address, without a name.
	To string
	// Subject is one line, in any characters.
	Subject string
	// Text is the message in plain text.
	Text string
	// HTML is the message in HTML. If empty, the message has no HTML part.
	HTML string
}

// A Mailer sends messages. It is safe for concurrent use.
type Mailer interface {
	// Send hands a message over. When it returns nil, another system is responsible for the message. The error is
	// ErrAddress, ErrMessage, ErrSend or that of ctx.
	Send(ctx context.Context, m Message) error
}

// maxAddress is the maximum length of an address in SMTP (RFC 5321, section 4.5.3.1.3).
const maxAddress = 254

// CheckAddress returns an address without the white space around it. It accepts one mailbox, without a name, at a
// domain with a dot.
//
// The error is [ErrAddress]. It does not repeat the address.
func CheckAddress(s string) (string, error) {
	s = strings.TrimSpace(s)
	if strings.ContainsFunc(s, unicode.IsControl) || len(s) > maxAddress {
		return "", fmt.Errorf("%w: it has control characters, or more than %d bytes", ErrAddress, maxAddress)
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" {
		return "", fmt.Errorf("%w: it must look like ann@company.com", ErrAddress)
	}
	local, domain, _ := strings.Cut(s, "@")
	if local == "" || !validDomain(domain) {
		return "", fmt.Errorf("%w: its domain must look like company.com", ErrAddress)
	}
	return s, nil
}

// validDomain reports whether a domain has a dot inside and is not an IP address in brackets.
func validDomain(domain string) bool {
	return strings.Contains(strings.Trim(domain, "."), ".") &&
		!strings.Contains(domain, "@") &&
		!strings.HasPrefix(domain, ".") &&
		!strings.HasSuffix(domain, ".") &&
		!strings.HasPrefix(domain, "[")
}

// checkSender checks the address that messages come from, which may have a name.
func checkSender(from string) error {
	if strings.ContainsFunc(from, unicode.IsControl) {
		return fmt.Errorf("%w: the sender has control characters", ErrAddress)
	}
	if _, err := mail.ParseAddress(from); err != nil {
		return fmt.Errorf("%w: the sender: %w", ErrAddress, err)
	}
	return nil
}

// build encodes a message.
func build(from string, m Message, opts ...gomail.MsgOption) (*gomail.Msg, error) {
	to, err := CheckAddress(m.To)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(m.Subject, unicode.IsControl) {
		return nil, fmt.Errorf("%w: the subject has line breaks or other control characters", ErrMessage)
	}
	msg := gomail.NewMsg(append(opts, gomail.WithNoDefaultUserAgent())...)
	if err := msg.From(from); err != nil {
		return nil, fmt.Errorf("%w: sender: %w", ErrMessage, err)
	}
	if err := msg.To(to); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: automatic replies are not wanted
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}
