package auth

// Limits that tests reach.
const (
	MaxMade        = maxMade
	MaxMadePerHour = maxMadePerHour
	MaxChain       = maxChain
)
