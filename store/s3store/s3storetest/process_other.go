//go:build !linux

package s3storetest

import "syscall"

// attributes returns the defaults.
func attributes() *syscall.SysProcAttr { return nil }
