package patch

// The words of version strings. The tables should stay short: one misread word reverses the status of a whole fleet.

// words are all known words but architectures. The token of a word has its canonical text. The class tie is that of
// words that do not depend on age, unless a number follows.
var words = map[string]token{
	"dev":          {pre, 0, "dev"},
	"snapshot":     {pre, 0, "snapshot"},
	"nightly":      {pre, 0, "nightly"},
	"daily":        {pre, 0, "daily"},
	"canary":       {pre, 0, "canary"},
	"insider":      {pre, 0, "insider"},
	"insiders":     {pre, 0, "insider"},
	"internal":     {pre, 0, "internal"},
	"experimental": {pre, 0, "experimental"},
	"test":         {pre, 0, "test"},
	"wip":          {pre, 0, "wip"},
	"prealpha":     {pre, 1, "prealpha"},
	"alpha":        {pre, 2, "alpha"},
	"eap":          {pre, 3, "eap"},
	"ea":           {pre, 3, "ea"},
	"beta":         {pre, 4, "beta"},
	"milestone":    {pre, 5, "milestone"},
	"preview":      {pre, 6, "preview"},
	"pre":          {pre, 6, "pre"},
	"prerelease":   {pre, 6, "prerelease"},
	"next":         {pre, 6, "next"},
	"tp":           {pre, 6, "tp"},
	"dp":           {pre, 6, "dp"},
	"ctp":          {pre, 6, "ctp"},
	"rc":           {pre, 7, "rc"},
	"cr":           {pre, 7, "rc"},
	"candidate":    {pre, 7, "rc"},
	"gm":           {pre, 8, "gm"},
	"gmc":          {pre, 8, "gmc"},

	"u":      {post, 0, "u"},
	"update": {post, 0, "u"},
	"p":      {post, 0, "p"},
	"pl":     {post, 0, "p"},
	"patch":  {post, 0, "p"},
	"sp":     {post, 0, "sp"},
	"hf":     {post, 0, "hf"},
	"hotfix": {post, 0, "hf"},
	"cu":     {post, 0, "cu"},
	"r":      {post, 0, "r"},
	"f":      {post, 0, "f"},

	"final":     {tie, 0, "final"},
	"ga":        {tie, 0, "ga"},
	"release":   {tie, 0, "release"},
	"stable":    {tie, 0, "stable"},
	"esr":       {tie, 0, "esr"},
	"lts":       {tie, 0, "lts"},
	"mac":       {tie, 0, "mac"},
	"macos":     {tie, 0, "macos"},
	"osx":       {tie, 0, "osx"},
	"universal": {tie, 0, "universal"},
	"intel":     {tie, 0, "intel"},
	"apple":     {tie, 0, "apple"},
	"silicon":   {tie, 0, "silicon"},
	"for":       {tie, 0, "for"},
	"seed":      {tie, 0, "seed"},
	"gold":      {tie, 0, "gold"},
	"golden":    {tie, 0, "golden"},
	"master":    {tie, 0, "master"},
}

// maxWord is the length of the longest known word.
const maxWord = len("experimental")

// semverRank is the rank of an unknown word in the notation of semantic versions.
const semverRank = 3

// wordOf returns the token of a known word, or the zero token.
func wordOf(text string) token {
	if text == "" || len(text) > maxWord {
		return token{}
	}
	for _, w := range wordTable[text[0]%32][len(text)] {
		if equalFold(text, w.folded) {
			return w.token
		}
	}
	return token{}
}

// A wordEntry is a word in lower case and its token.
type wordEntry struct {
	folded string
	token  token
}

// wordTable has the words by their first letters, as bits that do not depend on case, and by their lengths. Most
// entries have no word or a single one, so that this is faster than a map.
var wordTable = newWordTable()

func newWordTable() (table [32][maxWord + 1][]wordEntry) {
	for text, t := range words {
		entry := &table[text[0]%32][len(text)]
		*entry = append(*entry, wordEntry{text, t})
	}
	return table
}

// architectures do not depend on age, whatever follows. Of two names with the same beginning, the longer one is first.
var architectures = [...]string{"x86_64", "x86", "x64", "arm64", "aarch64", "amd64", "i386", "win32", "win64"}

// maxArchitectureLetters is the maximum number of letters with which these names begin.
const maxArchitectureLetters = len("aarch")
