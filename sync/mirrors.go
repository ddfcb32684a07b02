package patchsync

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/patchsource/patchsource/store"
)

// mirrorsKey is the key of the record of the mirrors that the leader follows.
var mirrorsKey = store.Key{Kind: "config", ID: "mirrors"}

// A mirrorsRecord identifies the mirrors that the leader follows.
type mirrorsRecord struct {
	Format int    `json:"format"`
	Hash   string `json:"hash"`
}

// hashMirrors returns a hash of what mirrors follow and of the keys of folders of recipes, whatever their order.
// Without folders, it is that of earlier versions of this package.
func hashMirrors(mirrors []*Mirror, folders []*recipeFolder) (string, error) {
	type followed struct {
		Name, Key, Author      string
		Only, Except           []string
		Rename, Remove, Return bool
		Share                  float64
	}
	all := []followed{}
	for _, m := range mirrors {
		all = append(all, followed{
			Name:   m.Name,
			Key:    m.Source.Key(),
			Author: m.Author,
			Only:   slices.Sorted(maps.Keys(m.only)),
			Except: slices.Sorted(maps.Keys(m.except)),
			Rename: m.Rename != nil,
			Remove: m.Remove,
			Return: m.AllowDowngrade,
			Share:  m.MaxRemoveShare,
		})
	}
	slices.SortFunc(all, func(a, b followed) int { return cmp.Compare(a.Name, b.Name) })
	var value any = all
	if recipes := recipeKeys(folders); len(recipes) > 0 {
		value = map[string]any{"mirrors": all, "recipes": recipes}
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// recipeKeys returns the sorted keys of the folders of Options.Recipes. Those of mirrors are known by their mirrors.
func recipeKeys(folders []*recipeFolder) (keys []string) {
	for _, d := range folders {
		if d.mirror == nil {
			keys = append(keys, d.key)
		}
	}
	slices.Sort(keys)
	return keys
}

// publishMirrors writes which mirrors this server follows, with folders of recipes, when it is elected leader.
func (r *Runner) publishMirrors(ctx context.Context) {
	hash, err := hashMirrors(r.mirrors, r.watches.recipes.folders)
	if err == nil {
		_, err = store.Update(ctx, r.states.store, mirrorsKey, func(old store.Record) ([]byte, error) {
			var was mirrorsRecord
			if json.Unmarshal(old.Value, &was) == nil && was.Hash == hash {
				return nil, nil
			}
			return json.Marshal(mirrorsRecord{Format: stateFormat, Hash: hash})
		})
	}
	if err != nil && ctx.Err() == nil {
		r.log.Warn("other servers cannot be shown which mirrors this one follows", "error", err)
	}
}

// compareMirrors warns when the leader follows other mirrors or folders of recipes than this server, until ctx ends. It
// first gives this server time to be elected itself.
func (r *Runner) compareMirrors(ctx context.Context) {
	own, err := hashMirrors(r.mirrors, r.watches.recipes.folders)
	if err != nil {
		return
	}
	warned := ""
	for sleep(ctx, 2*r.lease); ctx.Err() == nil; sleep(ctx, max(2*r.lease, time.Second)) {
		other := r.leaderMirrors(ctx)
		if r.leads() || other == "" || other == own {
			warned = ""
		} else if other != warned {
			warned = other
			r.log.Warn("the servers over this store follow different mirrors or folders of recipes: those of the " +
				"leader are followed; start all servers with the same ones")
		}
	}
}

// leaderMirrors returns the hash of the mirrors that the leader follows, empty if it is not known.
func (r *Runner) leaderMirrors(ctx context.Context) string {
	rec, err := r.states.store.Get(ctx, mirrorsKey)
	var leader mirrorsRecord
	if err == nil {
		err = json.Unmarshal(rec.Value, &leader)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
		r.log.Warn("the mirrors of the leader are not known", "error", err)
	}
	return leader.Hash
}
