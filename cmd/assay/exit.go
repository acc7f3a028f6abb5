package main

import (
	"errors"
	"fmt"
)

// The exit codes, the only place that names them. Where several gates disagree: 3, then 5, then 4, then 0.
const (
	exitPass         = 0
	exitInternal     = 1
	exitUsage        = 2
	exitGateFailed   = 3
	exitInconclusive = 4
	exitIncomplete   = 5
	exitEnvironment  = 6
	exitInterrupted  = 130
)

// exitError is an error that ends the process with its code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// withCode makes err end the process with code; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// usageError marks a mistake of the user's: flags, files, plans, models.
func usageError(err error) error { return withCode(exitUsage, err) }

// silentError ends the process with a code after the command has already said why.
type silentError struct{ code int }

func (e silentError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exitCodeOf maps a command's error to the process's exit code.
func exitCodeOf(err error) int {
	var silent silentError
	var coded *exitError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &silent):
		return silent.code
	case errors.As(err, &coded):
		return coded.code
	}
	return exitInternal
}
