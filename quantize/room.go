package quantize

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// RoomError is what stops a quantization where the folder for temporary files takes no more: no model is at fault.
type RoomError struct{ Err error }

func (e *RoomError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *RoomError) Unwrap() error { return e.Err }

// OutOfRoom reports whether an error is that a disk, a quota or a limit of the process takes no more of a file.
func OutOfRoom(err error) bool {
	var full *RoomError
	return errors.As(err, &full) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// installing is an error of files where they were asked for, not of temporary ones.
type installing struct{ error }

func (e installing) Unwrap() error { return e.error }

// WhereRoom adds to an error that there is no room for temporary files where those are, and leaves every other error as it is.
func WhereRoom(err error) error {
	var asked installing
	if !OutOfRoom(err) || errors.As(err, &asked) {
		return err
	}
	return fmt.Errorf("%w; temporary files are in %s: make room there, or set TMPDIR to another folder", err, os.TempDir())
}

// roomProbe is how many bytes must fit behind a file: more than the runtime writes at a time of what it holds back.
const roomProbe = 64 << 10

// unwritten is the error of a runtime that was to write files, or a RoomError where no more can be written to one of them: the runtime itself does not
// say why it could not (onnxruntime 1.30.0). It leaves the files longer than they were.
func unwritten(err error, files ...string) error {
	if err == nil || OutOfRoom(err) {
		return err
	}
	for _, path := range files {
		if why := growFile(path); OutOfRoom(why) {
			return &RoomError{why}
		}
	}
	return err
}

// growFile writes roomProbe bytes behind a file.
func growFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, roomProbe))
	return errors.Join(err, f.Close())
}
