package plan

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Map is a mapping from names, in the order in which it was written.
type Map[T any] []Entry[T]

// Entry is one name of a Map and what it stands for.
type Entry[T any] struct {
	Name  string
	Value T
}

// Get returns what name stands for.
func (m Map[T]) Get(name string) (T, bool) {
	for _, e := range m {
		if e.Name == name {
			return e.Value, true
		}
	}
	var none T
	return none, false
}

// Names lists the names in order.
func (m Map[T]) Names() []string {
	names := make([]string, len(m))
	for i, e := range m {
		names[i] = e.Name
	}
	return names
}

func (m *Map[T]) decodeNode(s *source, n *yaml.Node, path string) {
	s.eachKey(n, path, func(key string, value *yaml.Node, path string) {
		var v T
		s.decode(value, path, reflect.ValueOf(&v).Elem())
		*m = append(*m, Entry[T]{Name: key, Value: v})
	})
}

// nodeDecoder is a type that reads itself from YAML in another way than its kind suggests.
type nodeDecoder interface {
	decodeNode(s *source, n *yaml.Node, path string)
}

// decode fills v from n and records where each part stands. Every part that does not fit becomes a problem and keeps its zero value.
// Types bound how deep it goes, so an alias that contains itself cannot trap it.
func (s *source) decode(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if _, known := s.positions[path]; !known || n.Kind == yaml.ScalarNode {
		s.positions[path] = position{n.Line, n.Column}
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		s.add(path, "%s: no value is given; leave the key out for its default", cmp.Or(path, "the file"))
		return
	}
	switch target := v.Addr().Interface().(type) {
	case nodeDecoder:
		target.decodeNode(s, n, path)
		return
	case encoding.TextUnmarshaler:
		if text, ok := s.scalar(n, path, "a single value"); ok {
			if err := target.UnmarshalText([]byte(text)); err != nil {
				s.add(path, "%s: %v", path, err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		s.decode(n, path, v.Elem())
	case reflect.Struct:
		s.decodeStruct(n, path, v)
	case reflect.Slice:
		s.decodeList(n, path, v)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		s.eachKey(n, path, func(key string, value *yaml.Node, path string) {
			element := reflect.New(v.Type().Elem()).Elem()
			s.decode(value, path, element)
			v.SetMapIndex(reflect.ValueOf(key), element)
		})
	default:
		s.decodeBasic(n, path, v)
	}
}

func (s *source) decodeStruct(n *yaml.Node, parent string, v reflect.Value) {
	fields := map[string]reflect.Value{}
	var known []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = v.Field(i)
			known = append(known, name)
		}
	}
	s.eachKey(n, parent, func(key string, value *yaml.Node, path string) {
		field, ok := fields[key]
		if !ok {
			s.add(path, "unknown key `%s`%s", key, suggestion(key, known))
			if meant, ok := nearest(key, known); ok {
				s.positions[join(parent, meant)] = s.positions[path] // so that it is not called missing as well
			}
			return
		}
		s.decode(value, path, field)
	})
}

// decodeList takes a list, or a single value as a list of one.
func (s *source) decodeList(n *yaml.Node, path string, v reflect.Value) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	if len(items) == 0 {
		s.add(path, "%s: the list is empty; leave the key out for its default", path)
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		s.decode(item, fmt.Sprintf("%s[%d]", path, i), list.Index(i))
	}
	v.Set(list)
}

func (s *source) decodeBasic(n *yaml.Node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if text, ok := s.scalar(n, path, "text"); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		text, ok := s.scalar(n, path, "true or false")
		if !ok {
			return
		}
		if text != "true" && text != "false" {
			s.add(path, "%s: %q is neither true nor false", path, text)
			return
		}
		v.SetBool(text == "true")
	case reflect.Uint64:
		text, ok := s.scalar(n, path, "a whole number")
		if !ok {
			return
		}
		u, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			s.add(path, "%s: %q is no whole number of 0 or more", path, text)
			return
		}
		v.SetUint(u)
	default:
		panic("plan: no reader for " + v.Type().String())
	}
}

func (s *source) scalar(n *yaml.Node, path, want string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		s.add(path, "%s: must be %s, not %s", path, want, kindName(n))
		return "", false
	}
	return n.Value, true
}

// eachKey visits the pairs of a mapping; keys must be plain text and unlike each other.
func (s *source) eachKey(n *yaml.Node, path string, visit func(key string, value *yaml.Node, path string)) {
	if n.Kind != yaml.MappingNode {
		s.add(path, "%s: must be a mapping of keys to values, not %s", cmp.Or(path, "the file"), kindName(n))
		return
	}
	if len(n.Content) == 0 && path != "" {
		s.add(path, "%s: the mapping is empty; leave the key out for its default", path)
	}
	seen := map[string]int{}
	for pair := range slices.Chunk(n.Content, 2) {
		key, value := pair[0], pair[1]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			s.addAt(position{key.Line, key.Column}, "a key must be plain text; merged and nested keys are not read")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			s.addAt(position{key.Line, key.Column}, "`%s` is given twice; it stands in line %d already", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		below := join(path, key.Value)
		s.positions[below] = position{key.Line, key.Column}
		visit(key.Value, value, below)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return fmt.Sprintf("%q", n.Value)
	}
	return "nothing"
}
