package patchsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// recipeSuffix ends the names of recipe files in a folder of definitions, in any case.
const recipeSuffix = ".recipe.json"

// isRecipe reports whether a file in a folder of definitions is a recipe.
func isRecipe(name string) bool { return strings.HasSuffix(strings.ToLower(name), recipeSuffix) }

// A recipeFolder is a folder with recipe files.
type recipeFolder struct {
	*folder
	// key begins the keys of the files. It is that of the folder, or the name of the mirror.
	key string
	// mirror follows the definitions in the folder: only *.recipe.json are recipes. It is nil for Options.Recipes,
	// where all *.json are.
	mirror *Mirror
}

// A recipeFile is a file of a recipeFolder.
type recipeFile struct {
	// Key identifies the file, such as "folder:apps/Rectangle.recipe.json". It is published.
	Key string
	// Recipe is the recipe, nil if the file has none. Its id is that of its title.
	Recipe *recipe.Recipe
	// Err is why the file is not used. Its text names the file.
	Err error
}

// title returns the id of the title of the recipe, or what stands for it: the name of the file.
func (f *recipeFile) title() string {
	if f.Recipe != nil {
		return f.Recipe.ID
	}
	name := path.Base(f.Key)
	return strings.TrimSuffix(name[:len(name)-len(path.Ext(name))], ".recipe")
}

// newRecipeFolders returns the folders of recipes: those of Options.Recipes and all folders that are followed.
func newRecipeFolders(recipes []string, mirrors []*Mirror) (all []*recipeFolder, err error) {
	for _, m := range mirrors {
		if d, ok := m.Source.(*folder); ok {
			all = append(all, &recipeFolder{folder: d, key: RedactURL(m.Name), mirror: m})
		}
	}
	for _, dir := range recipes {
		d := &folder{dir}
		if err := d.check(nil); err != nil {
			return nil, fmt.Errorf("recipes: %w", err)
		}
		all = append(all, &recipeFolder{folder: d, key: d.Key()})
	}
	seen := map[string]bool{}
	for _, d := range all {
		if seen[d.key] {
			return nil, fmt.Errorf("two folders of recipes have the name %s, which identifies their files: rename one",
				strings.TrimPrefix(d.key, folderPrefix))
		}
		seen[d.key] = true
	}
	return all, nil
}

// has reports whether a key is that of the folder or of a file in it.
func (d *recipeFolder) has(key string) bool { return key == d.key || strings.HasPrefix(key, d.key+"/") }

// files reads all recipe files in the folder. The error is an *[UpstreamError] if the folder cannot be read.
func (d *recipeFolder) files(ctx context.Context, kinds *releases.Kinds) (files []recipeFile, err error) {
	definitions := map[string]string{} // names by their lower case
	err = d.walk(ctx, func(root *os.Root, name string, _ fs.DirEntry) error {
		if d.mirror != nil && !isRecipe(name) {
			definitions[strings.ToLower(name)] = name
			return nil
		}
		if len(files) == maxTitles {
			return fmt.Errorf("the folder has more than %d recipes", maxTitles)
		}
		file := recipeFile{Key: d.key + "/" + name}
		file.Recipe, file.Err = d.readRecipe(root, name, kinds)
		switch {
		case errors.Is(file.Err, fs.ErrNotExist): // deleted meanwhile
		case file.Err == nil && file.Recipe == nil: // the file is not a recipe of this folder
		default:
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range files {
		f := &files[i]
		name := strings.TrimPrefix(f.Key, d.key+"/")
		if other, ok := definitions[strings.ToLower(name[:max(0, len(name)-len(recipeSuffix))])+".json"]; ok {
			f.Err = fmt.Errorf("%s and %s are in the same folder: a title is defined by a file or made by a recipe; "+
				"remove one of them", name, other)
			continue
		}
		if f.Err != nil {
			f.Err = fmt.Errorf("%s: %w", name, f.Err)
		}
	}
	return files, nil
}

// readRecipe reads a recipe file. The recipe is nil if it is not wanted.
func (d *recipeFolder) readRecipe(root *os.Root, name string, kinds *releases.Kinds) (*recipe.Recipe, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, recipe.MaxBytes+1)) // Parse rejects one that is too large
	if err != nil {
		return nil, withoutPath(err)
	}
	r, err := recipe.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("invalid recipe: %w", err)
	}
	if err := errors.Join(kinds.Check(r.Watch()), r.Feed.KeepSecrets(recipe.Feed{})); err != nil {
		return nil, fmt.Errorf("invalid recipe: %w", err)
	}
	if m := d.mirror; m != nil {
		if !m.wants(r.TitleID()) {
			return nil, nil
		}
		if err := m.nameRecipe(r); err != nil {
			return nil, err
		}
	}
	r.ID = r.TitleID()
	return r, nil
}

// nameRecipe gives a recipe the id and name that its title has in a mirror; see round.name.
func (m *Mirror) nameRecipe(r *recipe.Recipe) error {
	if m.Author == "" && m.Rename == nil {
		return nil
	}
	def := &patch.Definition{ID: r.TitleID(), Name: r.Name}
	if m.Author != "" {
		if err := def.NamespaceStored(m.Author); err != nil {
			return err
		}
	}
	if m.Rename != nil {
		m.Rename(def)
	}
	r.AppName, r.Publisher = cmp.Or(r.AppName, r.Name+".app"), cmp.Or(r.Publisher, r.Name)
	r.ID, r.Name = def.ID, def.Name
	return r.Validate()
}

// withoutPath returns an error of a file without the path of its folder, which is not published.
func withoutPath(err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
