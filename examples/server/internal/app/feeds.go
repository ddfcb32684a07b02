package app

import (
	"fmt"
	"os"

	"github.com/patchsource/patchsource/examples/internal/feedtokens"
	"github.com/patchsource/patchsource/httpapi/server"
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
	tokens, err := feedtokens.All(f.FeedToken)
	c.FeedTokens = tokens
	return err
}

// tokenFiles returns the files of --feed-token.
func (f *flags) tokenFiles() (names []string) {
	for _, text := range f.FeedToken {
		if t, err := feedtokens.Parse(text); err == nil {
			names = append(names, t.File)
		}
	}
	return names
}
