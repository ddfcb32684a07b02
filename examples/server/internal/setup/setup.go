// Package setup has the steps that lead an administrator of the reference server from its first start to a patch source
// that Jamf Pro reads: the address, the certificate, mail, the first title, and Jamf Pro.
package setup

import (
	"context"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/examples/server/internal/doctor"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// A Config says how the server was started.
type Config struct {
	// BaseURL is --base-url, without a slash at its end. It is empty if there is none.
	BaseURL string
	// Local is the URL of the server on this machine, and Fallback what links begin with if there is no BaseURL.
	Local, Fallback string
	// Certificate is the flag that the server's own certificate comes from: --acme, or --tls-cert with its file. It is
	// empty if the server has none.
	Certificate string
	// Key is the key by which the server recognizes itself; see [Recognize].
	Key []byte

	// Mailer sends mail. If nil, community publishing is switched off, and nothing is sent.
	Mailer mail.Mailer
	// Mail is --mail and MailFrom --mail-from. The password in Mail is never shown.
	Mail, MailFrom string

	// Titles returns the number of titles.
	Titles func() int
	// LastRead returns the last request for a list; see server.Server.
	LastRead func() (server.Read, bool)
	// Shared says that other servers may use the same store.
	Shared bool
	// Fresh reports whether no administrator has signed in yet.
	Fresh func() bool

	// Dial connects to the base URL. If nil, it is that of net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Doctor has options of the examinations, for tests. Their Timeout is that of the page.
	Doctor doctor.Options
	// Timeout bounds one check. The default is that of the page.
	Timeout time.Duration
}

// steps are the steps of a server.
type steps struct {
	Config
	// mails limits the test mails.
	mails *rate.Limiter
}

const (
	// mailInterval is the time after which another test mail may be sent, and maxMails the number of those that may be
	// sent at once.
	mailInterval = time.Minute
	maxMails     = 3
)

// New returns the steps of a server.
func New(c Config) *webui.Setup {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: selfTimeout}).DialContext
	}
	s := &steps{Config: c, mails: rate.NewLimiter(rate.Every(mailInterval), maxMails)}
	return &webui.Setup{
		Steps: []webui.SetupStep{
			{
				ID: "address", Name: "Address", Manual: manual("start-and-configure"),
				About: "The base URL is the address at which Jamf Pro and people reach this server. Links in mail " +
					"and webhook events begin with it.",
				Look: s.lookAtAddress, Check: s.checkAddress,
			},
			{
				ID: "certificate", Name: "Certificate", Manual: manual("https"),
				About: "Jamf Pro reads the scripts that it runs on your computers from this server. HTTPS keeps " +
					"others from changing them on the way.",
				Look: s.lookAtCertificate, Check: s.checkCertificate,
			},
			{
				ID: "mail", Name: "Mail", Manual: manual("community-publishing"),
				About: "The server mails tokens to authors and contributors who publish titles here.",
				Look:  s.lookAtMail, Check: s.checkMail, Mailbox: c.Mailer != nil, Button: "Send a test mail",
			},
			{
				ID: "title", Name: "First title", Manual: manual("create-titles-and-add-versions"),
				About: "A title is a software product with its versions. Jamf Pro reads the list of all titles and " +
					"the definition of each.",
				Look: s.lookAtTitles, Check: s.checkTitles,
			},
			{
				ID: "jamf-pro", Name: "Jamf Pro", Manual: manual("add-the-server-to-jamf-pro"),
				About: "In Jamf Pro, open Settings > Computer Management > Patch Management, click New next to Patch " +
					"External Source, enter these values, save, and click Test.",
				Look: s.lookAtJamf,
			},
		},
		Report: &webui.SetupStep{
			ID: "report", Name: "Examine the feed", Manual: manual("examine-a-running-source"),
			Button: "Examine the feed",
			About: "The server reads its own feed the way Jamf Pro does, as patchsource doctor does, and says what " +
				"Jamf Pro would complain about.",
			Look:  func(webui.SetupVisit) webui.SetupFinding { return webui.SetupFinding{State: webui.SetupTodo} },
			Check: s.report,
		},
		Fresh:   c.Fresh,
		Timeout: c.Timeout,
	}
}

// manual returns the path of a section of the manual, which this server serves.
func manual(section string) string { return "/docs/server#" + section }

// setting returns a flag with a value, and the environment variable that does the same.
func setting(flag, value string) []webui.SetupFact {
	variable := "PATCHSOURCE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	return []webui.SetupFact{
		{Name: "Flag", Value: "--" + flag + " " + value, Copy: true},
		{Name: "or variable", Value: variable + "=" + value, Copy: true},
	}
}

// sentence returns a message of another package as a sentence.
func sentence(message string) string {
	first, size := utf8.DecodeRuneInString(message)
	if message = string(unicode.ToUpper(first)) + message[size:]; strings.HasSuffix(message, ".") {
		return message
	}
	return message + "."
}

// isLocal reports whether a host is a name of this machine that other hosts do not know.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// feedURL returns the URL at which the feed is examined: that of the base URL, or, without one, of this machine.
func (s *steps) feedURL() string {
	if s.BaseURL != "" {
		return s.BaseURL + "/jamf/v1"
	}
	return s.Local + "/jamf/v1"
}

// host returns the host of the base URL, without its port.
func (s *steps) host() string {
	u, err := url.Parse(s.BaseURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// encrypted reports whether the base URL is one of HTTPS.
func (s *steps) encrypted() bool { return strings.HasPrefix(strings.ToLower(s.BaseURL), "https://") }
