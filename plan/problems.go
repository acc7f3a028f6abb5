package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in an experiment. Line and Col count from 1; 0 where the mistake stands in no file.
type Problem struct {
	Line, Col int
	Msg       string
}

// Error lists every mistake that was found, in the order of the file.
type Error struct {
	File     string
	Problems []Problem
}

// Error prints one line a mistake: `file:line: message`.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		switch {
		case e.File == "":
			lines[i] = p.Msg
		case p.Line == 0:
			lines[i] = e.File + ": " + p.Msg
		default:
			lines[i] = fmt.Sprintf("%s:%d: %s", e.File, p.Line, p.Msg)
		}
	}
	return strings.Join(lines, "\n")
}

// source remembers where the parts of an experiment stand, by paths such as `gates[0].arm`, and collects mistakes.
type source struct {
	file      string
	positions map[string]position
	problems  []Problem
}

type position struct{ line, col int }

func newSource(file string) *source {
	return &source{file: file, positions: map[string]position{}}
}

// add records a mistake at path, or at the nearest part around it that has a place. Without a file the message names the path.
func (s *source) add(path, format string, args ...any) {
	at := s.positions[path]
	for near := path; at == (position{}) && near != ""; {
		near = near[:max(0, strings.LastIndexAny(near, ".["))]
		at = s.positions[near]
	}
	s.addAt(at, format, args...)
}

func (s *source) addAt(at position, format string, args ...any) {
	s.problems = append(s.problems, Problem{Line: at.line, Col: at.col, Msg: fmt.Sprintf(format, args...)})
}

// err returns the mistakes collected so far as an *Error, or nil.
func (s *source) err() error {
	if len(s.problems) == 0 {
		return nil
	}
	sorted := slices.Clone(s.problems)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return &Error{File: s.file, Problems: slices.Compact(sorted)}
}

// suggestion returns `; did you mean X?` for the known word nearest to got, or else the known words where they are few.
func suggestion(got string, known []string) string {
	if word, ok := nearest(got, known); ok {
		return fmt.Sprintf("; did you mean `%s`?", word)
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	return "; known: " + strings.Join(known, ", ")
}

// nearest returns the known word that got is most likely a slip of.
func nearest(got string, known []string) (word string, ok bool) {
	limit := max(2, len(got)/3)
	for _, k := range known {
		if d := editDistance(strings.ToLower(got), strings.ToLower(k)); d <= limit {
			word, ok, limit = k, true, d-1
		}
	}
	return word, ok
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b. Words past 64 bytes are cut:
// no known word is that long.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	before, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
