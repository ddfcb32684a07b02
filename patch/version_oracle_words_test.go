package patch_test

// A preWord is a word of a pre-release.
type oraclePreWord struct {
	rank int8   // its closeness to the release
	text string // the canonical word
}

// oraclePreWords are the words of a pre-release.
var oraclePreWords = map[string]oraclePreWord{
	"dev":          {0, "dev"},
	"snapshot":     {0, "snapshot"},
	"nightly":      {0, "nightly"},
	"daily":        {0, "daily"},
	"canary":       {0, "canary"},
	"insider":      {0, "insider"},
	"insiders":     {0, "insider"},
	"internal":     {0, "internal"},
	"experimental": {0, "experimental"},
	"test":         {0, "test"},
	"wip":          {0, "wip"},
	"prealpha":     {1, "prealpha"},
	"alpha":        {2, "alpha"},
	"eap":          {3, "eap"},
	"ea":           {3, "ea"},
	"beta":         {4, "beta"},
	"milestone":    {5, "milestone"},
	"preview":      {6, "preview"},
	"pre":          {6, "pre"},
	"prerelease":   {6, "prerelease"},
	"next":         {6, "next"},
	"tp":           {6, "tp"},
	"dp":           {6, "dp"},
	"ctp":          {6, "ctp"},
	"rc":           {7, "rc"},
	"cr":           {7, "rc"},
	"candidate":    {7, "rc"},
	"gm":           {8, "gm"},
	"gmc":          {8, "gmc"},
}

// semverRank is the rank of an unknown word in the notation of semantic versions.
const oracleSemverRank = 3

// preLetters are short forms of preWords, which count only directly before a number.
var oraclePreLetters = map[string]oraclePreWord{
	"d":  oraclePreWords["dev"],
	"a":  oraclePreWords["alpha"],
	"b":  oraclePreWords["beta"],
	"m":  oraclePreWords["milestone"],
	"fc": oraclePreWords["rc"],
}

// neutralWords do not depend on age, unless a number follows.
var oracleNeutralWords = map[string]bool{
	"final": true, "ga": true, "release": true, "stable": true, "esr": true, "lts": true, "mac": true, "macos": true,
	"osx": true, "universal": true, "intel": true, "apple": true, "silicon": true, "for": true, "seed": true,
	"gold": true, "golden": true, "master": true,
}

// architectures do not depend on age, whatever follows.
var oracleArchitectures = map[string]bool{
	"x86_64": true, "x64": true, "x86": true, "arm64": true, "aarch64": true, "amd64": true, "i386": true,
	"win32": true, "win64": true,
}

// architecturesWithDigits lists the longer of two names with the same beginning first.
var oracleArchitecturesWithDigits = [...]string{
	"x86_64", "x86", "x64", "arm64", "aarch64", "amd64", "i386", "win32", "win64",
}

// maxArchitectureLetters is the maximum number of letters with which these names begin.
const oracleMaxArchitectureLetters = len("aarch")

// postWords maps words above the release to their canonical form.
var oraclePostWords = map[string]string{
	"u": "u", "update": "u",
	"p": "p", "pl": "p", "patch": "p",
	"sp": "sp",
	"hf": "hf", "hotfix": "hf",
	"cu": "cu", "r": "r", "f": "f",
}
