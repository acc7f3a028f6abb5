package plan

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"assay/results"

	"go.yaml.in/yaml/v3"
)

// Parse reads an experiment file. The error is an *Error that lists every mistake, each with its line; file is the name it prints.
func Parse(src []byte, file string) (*Experiment, error) {
	s := newSource(file)
	e := &Experiment{source: s, text: src}
	if !s.load(src, e) {
		return nil, s.err()
	}
	e.check()
	if err := s.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// ParseGates reads a gates file: `gates:` as in an experiment, and nothing else. Names of arms are not looked up.
func ParseGates(src []byte, file string) ([]results.Gate, error) {
	s := newSource(file)
	var content struct {
		Gates []Gate `json:"gates"`
	}
	if s.load(src, &content) && len(content.Gates) == 0 && !s.has("gates") {
		s.add("", "gates: missing; list the acceptance rules under this key")
	}
	e := &Experiment{source: s, Gates: content.Gates}
	for i := range e.Gates {
		e.checkGate(i)
	}
	if err := s.err(); err != nil {
		return nil, err
	}
	return e.resolveGates(), nil
}

// load decodes the only document of src into target, and reports whether there was one.
func (s *source) load(src []byte, target any) bool {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		s.addAt(position{1, 1}, "the file is empty")
		return false
	}
	if err != nil {
		s.addSyntax(err)
		return false
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		s.addAt(position{second.Line, second.Column}, "a second document begins here; keep one experiment a file")
	} else if !errors.Is(err, io.EOF) {
		s.addSyntax(err)
	}
	s.decode(doc.Content[0], "", reflect.ValueOf(target).Elem())
	return true
}

var (
	syntaxLine  = regexp.MustCompile(`^line ([0-9]+): `)
	parserFault = regexp.MustCompile(`^did not find expected (?:<|node content|'-' indicator|key|',')|^found (?:undefined tag handle|duplicate %|incompatible YAML)`)
)

// addSyntax records what the YAML reader stumbled over. Its scanner counts lines from 1 and leaves out the first; its parser counts
// them from 0 (yaml/go-yaml decode.go, fail).
func (s *source) addSyntax(err error) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	at := position{line: 1}
	if m := syntaxLine.FindStringSubmatch(msg); m != nil {
		at.line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
		if parserFault.MatchString(msg) {
			at.line++
		}
	}
	s.addAt(at, "not YAML: %s", msg)
}

// has reports whether the file gives path a value, be it right or wrong.
func (s *source) has(path string) bool {
	_, ok := s.positions[path]
	return ok
}
