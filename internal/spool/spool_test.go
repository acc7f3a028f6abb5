package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
)

func TestKeptArraysComeBack(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var s Spool
	defer s.Close()
	var kept [][]byte
	for i := range 3 {
		data, err := s.Keep(bytes.NewReader(bytes.Repeat([]byte{byte(i + 1)}, 10000)), int64(5000*i))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, data)
	}
	for range 2 { // looked at, forgotten, looked at again
		for i, data := range kept {
			if !bytes.Equal(data, bytes.Repeat([]byte{byte(i + 1)}, 5000*i)) {
				t.Errorf("array %d is another", i)
			}
		}
		s.Forget()
	}
	if _, err := s.Keep(bytes.NewReader(make([]byte, 10)), 11); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("too few bytes: %v", err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("files have names: %v", left)
	}
	f, err := removed() // where files without a name are not to be had
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("the file has a name: %v", left)
	}
}

func TestNoPlaceToKeep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	var s Spool
	if _, err := s.Keep(bytes.NewReader([]byte{1}), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}
