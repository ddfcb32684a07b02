package patch

// The words of version strings. Keep the tables short: one word misread turns
// the state of a whole fleet around.

type preWord struct {
	rank int8
	text string // the canonical word
}

// preWords are the words of a pre-release, by how far it is from the release.
var preWords = map[string]preWord{
	"dev": {
		0,
		"dev",
	}, "snapshot": {0, "snapshot"}, "nightly": {0, "nightly"}, "daily": {0, "daily"}, "canary": {0, "canary"},
	"insider": {
		0,
		"insider",
	}, "insiders": {0, "insider"}, "internal": {0, "internal"}, "experimental": {0, "experimental"},
	"test": {0, "test"}, "wip": {0, "wip"},
	"prealpha": {1, "prealpha"},
	"alpha":    {2, "alpha"},
	"eap":      {3, "eap"}, "ea": {3, "ea"},
	"beta":      {4, "beta"},
	"milestone": {5, "milestone"},
	"preview":   {6, "preview"}, "pre": {6, "pre"}, "prerelease": {6, "prerelease"}, "next": {6, "next"},
	"tp": {6, "tp"}, "dp": {6, "dp"}, "ctp": {6, "ctp"},
	"rc": {7, "rc"}, "cr": {7, "rc"}, "candidate": {7, "rc"},
	"gm": {8, "gm"}, "gmc": {8, "gmc"},
}

// preLetters are the short forms that count only directly in front of a number.
var preLetters = map[string]preWord{
	"d": preWords["dev"], "a": preWords["alpha"], "b": preWords["beta"], "m": preWords["milestone"], "fc": preWords["rc"],
}

// neutralWords say nothing about age.
var neutralWords = map[string]bool{
	"final": true, "ga": true, "release": true, "stable": true, "esr": true, "lts": true, "mac": true, "macos": true, "osx": true,
	"universal": true, "intel": true, "apple": true, "silicon": true, "for": true, "seed": true, "gold": true, "golden": true, "master": true,
}

// architectures say nothing about age either, whatever follows.
var architectures = map[string]bool{
	"x86_64": true, "x64": true, "x86": true, "arm64": true, "aarch64": true, "amd64": true, "i386": true, "win32": true, "win64": true,
}

// architecturesWithDigits has the longer of two names that begin alike first.
var architecturesWithDigits = [...]string{"x86_64", "x86", "x64", "arm64", "aarch64", "amd64", "i386", "win32", "win64"}

// longestArchitectureWord is the length of the letters that they begin with.
const longestArchitectureWord = len("aarch")

// postWords are the ways to write one thing that is above the release.
var postWords = map[string]string{
	"u": "u", "update": "u",
	"p": "p", "pl": "p", "patch": "p",
	"sp": "sp",
	"hf": "hf", "hotfix": "hf",
	"cu": "cu", "r": "r", "f": "f",
}
