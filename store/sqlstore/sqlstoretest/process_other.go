//go:build !linux

package sqlstoretest

import "syscall"

// attributes returns the defaults.
func attributes(syscall.Signal) *syscall.SysProcAttr { return nil }
