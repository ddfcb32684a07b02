// Package mail sends a message to one mailbox: over SMTP ([NewSMTP]), or into a
// folder for development ([NewOutbox]). The work is done by wneessen/go-mail.
//
// A message has a text and, if there is one, an HTML part. Its headers are checked
// and encoded: no line break gets into one.
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

var (
	// ErrAddress is what is no address of a mailbox.
	ErrAddress = errors.New("invalid mail address")
	// ErrMessage is a message that cannot be made.
	ErrMessage = errors.New("invalid message")
	// ErrSend is a message that could not be handed over. Nobody has it, or it
	// is not known whether somebody has.
	ErrSend = errors.New("the message could not be sent")
)

// A Message is what one mailbox is sent.
type Message struct {
	// To is the address, without a name.
	To string
	// Subject is one line, in any characters.
	Subject string
	// Text is the message in plain text.
	Text string
	// HTML is the same in HTML; empty: there is none.
	HTML string
}

// A Mailer sends messages. It is safe for concurrent use.
type Mailer interface {
	// Send hands a message over; when it returns nil, another system is
	// responsible for it. The error is ErrAddress, ErrMessage, ErrSend or that of
	// ctx.
	Send(ctx context.Context, m Message) error
}

// maxAddress is the longest address that SMTP takes (RFC 5321, section 4.5.3.1.3).
const maxAddress = 254

// CheckAddress returns an address without the white space around it. What can be
// written to it is one mailbox at a domain with a dot in it, without a name.
//
// The error is [ErrAddress]; it does not repeat the address.
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
	if local == "" || strings.Contains(domain, "@") || !strings.Contains(strings.Trim(domain, "."), ".") ||
		strings.HasPrefix(domain, ".") ||
		strings.HasSuffix(domain, ".") ||
		strings.HasPrefix(domain, "[") {
		return "", fmt.Errorf("%w: its domain must look like company.com", ErrAddress)
	}
	return s, nil
}

// build makes the message that is sent.
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
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody is to answer by machine
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

// checkSender checks the address that messages come from; it may have a name.
func checkSender(from string) error {
	if strings.ContainsFunc(from, unicode.IsControl) {
		return fmt.Errorf("%w: sender", ErrAddress)
	}
	if _, err := mail.ParseAddress(from); err != nil {
		return fmt.Errorf("%w: sender: %w", ErrAddress, err)
	}
	return nil
}
