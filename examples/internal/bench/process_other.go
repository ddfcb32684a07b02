//go:build !linux

package main

import (
	"errors"
	"time"
)

var errLinux = errors.New("the benchmark needs Linux")

func cpuTime(int) (time.Duration, error) { return 0, errLinux }

func resident(int) (int64, error) { return 0, errLinux }

func inMemory(string) bool { return false }
