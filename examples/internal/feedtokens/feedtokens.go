// Package feedtokens reads the flag --feed-token, which the programs that follow release feeds have in common.
package feedtokens

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	patchsync "github.com/patchsource/patchsource/sync"
)

// A Flag is a value of --feed-token: HOST=FILE or HOST/OWNER=FILE.
type Flag struct{ Host, Owner, File string }

// apiHosts are the hosts that are asked for the releases of repositories on other hosts.
var apiHosts = map[string]string{"github.com": "api.github.com"}

// Parse parses a value of the flag.
func Parse(text string) (f Flag, err error) {
	where, file, ok := strings.Cut(text, "=")
	host, owner, hasOwner := strings.Cut(where, "/")
	if !ok || file == "" || host == "" || strings.Contains(owner, "/") || hasOwner && owner == "" ||
		strings.ContainsAny(host, "@? ") || strings.HasSuffix(host, ":") {
		return f, errors.New("it must be HOST=FILE or HOST/OWNER=FILE, such as github.com=github-token")
	}
	host = strings.ToLower(host)
	if api, ok := apiHosts[host]; ok {
		host = api
	}
	return Flag{host, owner, file}, nil
}

// All returns the tokens of all values of the flag. It reads each file once, to fail now rather than with the first
// request.
func All(values []string) (all []patchsync.FeedToken, err error) {
	for _, text := range values {
		f, err := Parse(text)
		if err == nil {
			_, err = f.token()
		}
		if err != nil {
			return nil, fmt.Errorf("--feed-token %s: %w", text, err)
		}
		all = append(all, patchsync.FeedToken{Host: f.Host, Owner: f.Owner, Token: f.token})
	}
	return all, nil
}

// maxTokenBytes bounds the file of a token.
const maxTokenBytes = 16 << 10

// token reads the token, which is the first line of the file. The state of a feed shows the error, so it contains
// neither the token nor the path of the file.
func (f Flag) token() (string, error) {
	file, err := os.Open(f.File)
	if err != nil {
		return "", fmt.Errorf("the file of the token cannot be read: %w", withoutPath(err))
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTokenBytes))
	if err != nil {
		return "", fmt.Errorf("the file of the token cannot be read: %w", withoutPath(err))
	}
	line, _, _ := strings.Cut(string(data), "\n")
	token := strings.TrimSpace(line)
	switch {
	case token == "":
		return "", errors.New("the first line of the file of the token is empty: write the token into it")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("the first line of the file of the token has characters that no token has")
	}
	return token, nil
}

// withoutPath returns an error of the file system without the path.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
