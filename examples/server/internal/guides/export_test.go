package guides

// Helps is the number of pages of the server that lead to the documentation.
var Helps = len(helps)
