package guides

import (
	"net/url"
	"path"
	"strings"
)

// repository is where files are that this server does not serve.
const repository = "https://github.com/patchsource/patchsource/blob/HEAD/"

// link returns the address that a link of the guide in a folder has on its page: that of another guide or of a file
// that is served, and otherwise that of the file in the repository. Links to sections of the same guide and to other
// sites stay.
func (lib *library) link(folder, to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.Path == "" {
		return to
	}
	target := path.Join("examples", folder, u.Path) // in the repository
	served, ours := strings.CutPrefix(target, "examples/")
	fragment := ""
	if u.Fragment != "" {
		fragment = "#" + u.EscapedFragment()
	}
	if name := lib.folders[strings.TrimSuffix(served, "/README.md")]; ours && name != "" {
		return name + fragment
	}
	if _, ok := lib.files[served]; ours && ok {
		return served + fragment
	}
	return repository + target + fragment
}
