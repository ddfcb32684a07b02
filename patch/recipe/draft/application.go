package draft

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"howett.net/plist"

	"github.com/patchsource/patchsource/patch/recipe"
)

// The maximum sizes of the files of an application in bytes.
const (
	maxInfoPlist    = 1 << 20
	maxUpdateConfig = 64 << 10
)

// An Application has the files of an application's bundle that a recipe is drafted from.
type Application struct {
	// InfoPlist is Contents/Info.plist, in XML or binary form. It is required.
	InfoPlist []byte
	// AppName is the bundle's file name, such as "Rectangle.app". If empty, it is made from the name.
	AppName string
	// UpdateConfig is Contents/Resources/app-update.yml, which applications have that update themselves with
	// electron-updater. It may be nil.
	UpdateConfig []byte
}

// info is the part of an Info.plist that is read. No other key becomes a Go value, so that a small file cannot expand.
type info struct {
	DisplayName string `plist:"CFBundleDisplayName"`
	Name        string `plist:"CFBundleName"`
	Identifier  string `plist:"CFBundleIdentifier"`
	MinimumOS   string `plist:"LSMinimumSystemVersion"`
	SparkleURL  string `plist:"SUFeedURL"`
	KeystoneID  string `plist:"KSProductID"`
}

// FromApplication drafts a recipe from files of an application. The feed is the appcast of an application that updates
// itself with Sparkle (SUFeedURL), the feed in the configuration of electron-updater, or a preset. Otherwise it is a
// gap.
//
// The error is [patch.ErrInvalid], with the path /info_plist or /update_config, if a file cannot be read or is too
// large.
func FromApplication(a Application) (*Draft, error) {
	in, err := readInfo(a.InfoPlist)
	if err != nil {
		return nil, err
	}
	update, err := readUpdateConfig(a.UpdateConfig)
	if err != nil {
		return nil, err
	}
	d := &Draft{Guesses: []Guess{}}
	r := &d.Recipe
	r.BundleID = in.Identifier
	r.AppName = strings.TrimSuffix(strings.TrimSpace(a.AppName), "/")
	r.Name = in.Name
	for _, name := range []string{in.DisplayName, strings.TrimSuffix(r.AppName, ".app")} {
		if r.Name == "" {
			r.Name = name
		}
	}
	if r.AppName == "" && r.Name != "" {
		r.AppName = r.Name + ".app"
		d.guess("/appName", "this is made from the name: compare with the application's file name")
	}
	if r.ID = r.TitleID(); r.ID != "" {
		d.guess("/id", "the id is made from the name, and cannot be changed once computers use the title")
	}
	if r.MinimumOperatingSystem = in.MinimumOS; in.MinimumOS == "" {
		r.MinimumOperatingSystem = recipe.DefaultMinimumOS
		d.guess("/minimumOperatingSystem", "Info.plist has no LSMinimumSystemVersion: check the vendor's requirements")
	}
	d.feedFromApplication(in, update)
	return d.finish(), nil
}

// feedFromApplication sets the feed, if the application says how it updates itself.
func (d *Draft) feedFromApplication(in info, update map[string]string) {
	switch {
	case d.preset(in.Identifier):
	case webURL(in.SparkleURL) != nil:
		d.Recipe.Feed = recipe.Feed{Kind: "sparkle", URL: in.SparkleURL}
		d.guess("/feed", "this is SUFeedURL of Info.plist: an application may ask another address when it runs")
	case update != nil:
		d.feedFromUpdateConfig(update)
	case in.KeystoneID != "":
		d.guess("/feed", "the application updates itself with Google's Keystone (KSProductID %s), for which there is "+
			"no kind of feed: look for another list of its versions", shorten(in.KeystoneID))
	default:
		d.guess("/feed", "Info.plist has no SUFeedURL: look for Contents/Resources/app-update.yml, or for a list of "+
			"versions on the vendor's site")
	}
}

// readInfo reads an Info.plist.
func readInfo(data []byte) (in info, err error) {
	const path = "/info_plist"
	if len(data) > maxInfoPlist {
		return in, failure(path, "has %d bytes, and the limit is %d: send Contents/Info.plist alone", len(data),
			maxInfoPlist)
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	if !bytes.HasPrefix(data, []byte("bplist")) && !bytes.HasPrefix(text, []byte("<")) {
		return in, failure(path, "is no property list in XML or binary form: send the file Contents/Info.plist")
	}
	unreadable := func(v any) error {
		return failure(path, "cannot be read: %s", shorten(strings.ToValidUTF8(fmt.Sprint(v), "?")))
	}
	// The parser panics on some corrupt data.
	defer func() {
		if v := recover(); v != nil {
			err = unreadable(v)
		}
	}()
	if _, err := plist.Unmarshal(data, &in); err != nil {
		return in, unreadable(err)
	}
	for _, s := range []*string{
		&in.DisplayName, &in.Name, &in.Identifier, &in.MinimumOS, &in.SparkleURL, &in.KeystoneID,
	} {
		*s = strings.TrimSpace(*s)
	}
	return in, nil
}

// readUpdateConfig reads an app-update.yml. electron-builder writes one value in each line, so that no YAML parser is
// needed; nested values are ignored.
func readUpdateConfig(data []byte) (map[string]string, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) > maxUpdateConfig {
		return nil, failure("/update_config", "has %d bytes, and the limit is %d: send Contents/Resources/"+
			"app-update.yml alone", len(data), maxUpdateConfig)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimRight(line, " \t\r\n"), ":")
		if !ok || name == "" || strings.ContainsAny(name[:1], " \t#-") {
			continue
		}
		value, _, _ = strings.Cut(value, " #")
		values[name] = strings.Trim(strings.TrimSpace(value), `"'`)
	}
	if values["provider"] == "" {
		return nil, failure("/update_config", "has no provider: send the file Contents/Resources/app-update.yml")
	}
	return values, nil
}

// feedFromUpdateConfig sets the feed to that of electron-updater.
func (d *Draft) feedFromUpdateConfig(config map[string]string) {
	base := ""
	switch provider := config["provider"]; provider {
	case "github":
		repo := config["repo"]
		if config["owner"] != "" {
			repo = config["owner"] + "/" + repo
		}
		if host := config["host"]; host == "" || host == "github.com" {
			d.githubFeed(repo, channelOf(config))
			return
		}
	case "generic":
		base = config["url"]
	case "s3":
		if base = config["endpoint"]; base != "" {
			base = strings.TrimSuffix(base, "/") + "/" + config["bucket"]
		} else if config["bucket"] != "" {
			base = "https://" + config["bucket"] + ".s3." + region(config) + "amazonaws.com"
		}
		base += "/" + strings.Trim(config["path"], "/")
	case "spaces":
		base = "https://" + config["name"] + "." + config["region"] + ".digitaloceanspaces.com/" +
			strings.Trim(config["path"], "/")
	}
	if u := webURL(base); u != nil {
		u = u.JoinPath(channelOf(config) + "-mac.yml")
		d.Recipe.Feed = recipe.Feed{Kind: "electron", URL: u.String()}
		d.guess("/feed", "this is made from the provider %q of app-update.yml", shorten(config["provider"]))
		return
	}
	d.guess("/feed", "app-update.yml has the provider %q, whose address of latest-mac.yml is not known",
		shorten(config["provider"]))
}

// region returns the region of an S3 bucket as a part of its host's name.
func region(config map[string]string) string {
	if config["region"] == "" {
		return ""
	}
	return config["region"] + "."
}

// channelOf returns the channel of electron-updater.
func channelOf(config map[string]string) string {
	if config["channel"] == "" {
		return "latest"
	}
	return config["channel"]
}

func (d *Draft) githubFeed(repo, channel string) {
	if !isRepository(strings.Split(repo, "/"), 2) {
		d.guess("/feed", "app-update.yml names no repository of GitHub")
		return
	}
	file := channel + "-mac.yml"
	d.Recipe.Feed = recipe.Feed{Kind: "github", Repo: repo, Asset: "^" + regexp.QuoteMeta(file) + "$"}
	d.guess("/feed", "app-update.yml names this repository of GitHub")
	d.guess("/feed/asset", "a release counts once it has %q, which the application itself asks for", shorten(file))
	d.Recipe.Publisher, _, _ = strings.Cut(repo, "/")
	d.guess("/publisher", "this is the owner of the repository: write the vendor's name")
}
