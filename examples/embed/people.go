package main

import (
	"crypto/subtle"
	"net/http"

	"github.com/patchsource/patchsource/auth"
)

// passwords are those of the people whom the program knows.
var passwords = map[string]string{"ann": "secret"}

// signIn returns the person who makes a request, by name and password. A program with a login of its own looks up the
// session of the request instead.
func signIn(r *http.Request) (auth.Principal, error) {
	name, password, _ := r.BasicAuth()
	want, known := passwords[name]
	if !known || subtle.ConstantTimeCompare([]byte(password), []byte(want)) != 1 {
		return auth.Principal{}, passwordError{}
	}
	return auth.Principal{Grant: auth.Grant{Kind: auth.Administrator, Name: name}}, nil
}

// signInPage signs people in, and leads them to the patch source.
func signInPage(w http.ResponseWriter, r *http.Request) {
	if _, err := signIn(r); err != nil { // the browser asks for a name and a password
		w.Header().Set("WWW-Authenticate", `Basic realm="patchsource"`)
		http.Error(w, "Sign in with your name and password.", http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, "/patch/", http.StatusSeeOther)
}

// A passwordError is an auth.ErrUnauthorized that makes browsers ask for a name and a password.
type passwordError struct{}

func (passwordError) Error() string        { return "the name or the password is wrong" }
func (passwordError) Is(target error) bool { return target == auth.ErrUnauthorized }
func (passwordError) Challenge() string    { return `Basic realm="patchsource"` }
