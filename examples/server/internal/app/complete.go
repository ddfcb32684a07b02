package app

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/acme/autocert"
)

// complete checks the flags and derives the defaults that depend on other flags.
func (f *flags) complete() error {
	beside, err := f.checkStorePath()
	f.completeAddresses()
	checks := []func() error{f.checkACME, f.checkAddresses, f.checkPairs, f.checkNumbers, f.checkCopy, f.checkImports}
	for _, check := range checks {
		if err == nil {
			err = check()
		}
	}
	if err != nil {
		return err
	}
	if f.Mail == "" {
		f.Mail = "outbox:" + beside + ".outbox"
	}
	if f.AdminTokenFile == "" {
		f.AdminTokenFile = beside + ".admin-token"
	}
	if f.SecretFile == "" {
		f.SecretFile = beside + ".secret"
	}
	return nil
}

// checkStorePath checks --store. It returns the path that the names of the server's other files begin with: that of
// the folder, however it is written.
func (f *flags) checkStorePath() (beside string, err error) {
	scheme, dir, _ := strings.Cut(f.Store, ":")
	switch {
	case f.StorePasswordFile != "" && storeScheme(f.Store) != "postgres" && storeScheme(f.CopyFrom) != "postgres":
		return "", errors.New("--store-password-file is for --store postgres://…")
	case f.Store == "memory:":
		return "patchsource", nil
	case scheme == "file" && dir != "":
		return f.checkFolder(dir)
	}
	if err := f.checkSharedStore(f.Store); err != nil {
		return "", fmt.Errorf("--store %s: %w", redactStore(f.Store), err)
	}
	return "patchsource", nil
}

// checkFolder checks the folder of --store, and returns what checkStorePath returns.
func (f *flags) checkFolder(dir string) (beside string, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("--store %s: %w", redactStore(f.Store), err)
	}
	if filepath.Dir(abs) == abs {
		return "", fmt.Errorf("--store %s: it must be a folder below the root of the disk", redactStore(f.Store))
	}
	if base := filepath.Base(dir); base == "." || base == ".." {
		return abs, nil
	}
	return filepath.Join(filepath.Dir(filepath.Clean(dir)), filepath.Base(abs)), nil
}

// completeAddresses sets the defaults of the flags with addresses.
func (f *flags) completeAddresses() {
	if f.Addr == "" {
		f.Addr = "127.0.0.1:8080"
		if len(f.ACME) > 0 {
			f.Addr = ":443"
		}
	}
	f.ACMEDirectory = cmp.Or(f.ACMEDirectory, autocert.DefaultACMEDirectory)
	for i, name := range f.ACME {
		f.ACME[i] = strings.ToLower(strings.TrimSpace(name))
	}
	if f.BaseURL == "" && len(f.ACME) > 0 {
		f.BaseURL = "https://" + f.ACME[0]
	}
}

// acmeName matches the names that a CA can verify.
var acmeName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$`)

// checkACME checks the flags about HTTPS by --acme.
func (f *flags) checkACME() error {
	for _, name := range f.ACME {
		if !acmeName.MatchString(name) || len(name) > 253 {
			return fmt.Errorf("--acme %s: it must be a host name such as patches.example.com, without port and "+
				"wildcard; write a name with other letters as xn--…", name)
		}
	}
	switch {
	case len(f.ACME) > 0 && f.TLSCert+f.TLSKey != "":
		return errors.New("--acme obtains the certificate: omit --tls-cert and --tls-key")
	case len(f.ACME) == 0 && f.ACMEEmail+f.ACMECA != "":
		return errors.New("--acme-email and --acme-ca require --acme")
	case f.HTTPAddr != "" && len(f.ACME) == 0 && f.TLSCert == "":
		return errors.New("--http-addr requires --acme or --tls-cert: without HTTPS, use --addr")
	case !isWebURL(f.ACMEDirectory):
		return fmt.Errorf("--acme-directory %s: it must be a URL such as https://ca.example.com/acme/directory",
			f.ACMEDirectory)
	case strings.ContainsAny(f.ACMEEmail, " ,<>") || f.ACMEEmail != "" && !strings.Contains(f.ACMEEmail, "@"):
		return fmt.Errorf("--acme-email %s: it must be an address such as it@example.com", f.ACMEEmail)
	}
	return nil
}

// checkAddresses checks the flags with addresses and networks.
func (f *flags) checkAddresses() error {
	if _, port, err := net.SplitHostPort(f.Addr); err != nil {
		return fmt.Errorf("--addr %s: it must be HOST:PORT, such as 127.0.0.1:8080 or :8080", f.Addr)
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("--addr %s: %q is not a port: a port is a number from 0 to 65535", f.Addr, port)
	}
	if _, _, err := net.SplitHostPort(f.PprofAddr); f.PprofAddr != "" && err != nil {
		return fmt.Errorf("--pprof-addr %s: it must be HOST:PORT, such as 127.0.0.1:6060", f.PprofAddr)
	}
	if _, _, err := net.SplitHostPort(f.HTTPAddr); f.HTTPAddr != "" && err != nil {
		return fmt.Errorf("--http-addr %s: it must be HOST:PORT, such as :80", f.HTTPAddr)
	}
	if f.BaseURL != "" && !isWebURL(f.BaseURL) {
		return fmt.Errorf("--base-url %s: it must be a URL such as https://patches.example.com", f.BaseURL)
	}
	for _, p := range f.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("--trusted-proxies %s: it must be a network such as 10.0.0.0/8 or 127.0.0.1/32", p)
		}
	}
	return nil
}

// isWebURL reports whether s is an absolute http or https URL.
func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// checkPairs checks the flags that require each other.
func (f *flags) checkPairs() error {
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key require each other")
	}
	if (f.SignCert == "") != (f.SignKey == "") {
		return errors.New("--sign-cert and --sign-key require each other")
	}
	return nil
}

// checkCopy checks --copy-from.
func (f *flags) checkCopy() error {
	dir, isFolder := strings.CutPrefix(f.CopyFrom, "file:")
	switch {
	case f.CopyFrom == "" || isFolder && dir != "":
	case f.CopyFrom == "memory:":
		return errors.New("--copy-from memory: it is empty")
	default:
		if err := f.checkSharedStore(f.CopyFrom); err != nil {
			return fmt.Errorf("--copy-from %s: %w", redactStore(f.CopyFrom), err)
		}
	}
	if f.CopyFrom != "" && (f.Store == "memory:" || f.Restore != "" || len(f.Import) > 0) {
		return errors.New("--copy-from fills the store of --store and ends: omit --restore and --import, and use " +
			"a store other than memory:, which is lost")
	}
	return nil
}

// checkImports checks the buckets of --import.
func (f *flags) checkImports() error {
	for _, name := range f.Import {
		if storeScheme(name) != "s3" {
			continue
		}
		if _, err := parseS3(name); err != nil {
			return fmt.Errorf("--import %s: %w", redactStore(name), err)
		}
	}
	return nil
}

// checkNumbers checks the flags with numbers and durations.
func (f *flags) checkNumbers() error {
	if f.SyncInterval < time.Second {
		return errors.New("--sync-interval: it must be a second or more, such as 30m")
	}
	if f.MaxTitles < 1 {
		return errors.New("--max-titles: it must be at least 1")
	}
	return nil
}
