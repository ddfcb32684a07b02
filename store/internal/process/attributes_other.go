//go:build !linux

package process

import "syscall"

// Attributes returns the defaults.
func Attributes(syscall.Signal, bool) *syscall.SysProcAttr { return nil }
