package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/patchsource/patchsource/httpapi/server"
	patchsync "github.com/patchsource/patchsource/sync"
)

// setFeeds sets what the flags say about release feeds.
func (f *flags) setFeeds(c *server.Config) error {
	for _, dir := range f.Recipes {
		if info, err := os.Stat(dir); err != nil {
			return fmt.Errorf("--recipes: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("--recipes %s: it must be a folder of recipes", dir)
		}
	}
	c.Recipes = f.Recipes
	for _, text := range f.FeedToken {
		t, err := parseFeedToken(text)
		if err == nil {
			_, err = readToken(t.file) // fail now rather than with the first request
		}
		if err != nil {
			return fmt.Errorf("--feed-token %s: %w", text, err)
		}
		c.FeedTokens = append(c.FeedTokens, patchsync.FeedToken{
			Host:  t.host,
			Owner: t.owner,
			Token: func() (string, error) { return readToken(t.file) },
		})
	}
	return nil
}

// A feedToken is a value of --feed-token.
type feedToken struct{ host, owner, file string }

// apiHosts are the hosts that are asked for the releases of repositories on other hosts.
var apiHosts = map[string]string{"github.com": "api.github.com"}

// parseFeedToken parses a value of --feed-token.
func parseFeedToken(text string) (t feedToken, err error) {
	where, file, ok := strings.Cut(text, "=")
	host, owner, hasOwner := strings.Cut(where, "/")
	if !ok || file == "" || host == "" || strings.Contains(owner, "/") || hasOwner && owner == "" ||
		strings.ContainsAny(host, "@? ") || strings.HasSuffix(host, ":") {
		return t, errors.New("it must be HOST=FILE or HOST/OWNER=FILE, such as github.com=github-token")
	}
	host = strings.ToLower(host)
	if api, ok := apiHosts[host]; ok {
		host = api
	}
	return feedToken{host, owner, file}, nil
}

// maxTokenBytes bounds the file of a token.
const maxTokenBytes = 16 << 10

// readToken reads a token, which is the first line of a file. The state of a feed shows the error, so it contains
// neither the token nor the path of the file.
func readToken(name string) (string, error) {
	file, err := os.Open(name)
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

// tokenFiles returns the files of --feed-token.
func (f *flags) tokenFiles() (names []string) {
	for _, text := range f.FeedToken {
		if t, err := parseFeedToken(text); err == nil {
			names = append(names, t.file)
		}
	}
	return names
}
