package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Provider is an execution provider with its options, written NAME[:key=value;...].
type Provider struct {
	Name    string // cpu, cuda, webgpu, null, or the runtime's own name in its own spelling
	Options map[string]string
}

var providerName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Provider) UnmarshalText(text []byte) (err error) {
	*p, err = ParseProvider(string(text))
	return err
}

// ParseProvider reads `cuda:device_id=0;enable_cuda_graph=1`. The names cpu, cuda, webgpu and null are taken in any case and with the
// runtime's ending ExecutionProvider; other names stay as they are.
func ParseProvider(text string) (Provider, error) {
	name, rest, hasOptions := strings.Cut(text, ":")
	if !providerName.MatchString(name) {
		return Provider{}, fmt.Errorf("%q is no execution provider; write it like cpu or cuda:device_id=0", text)
	}
	p := Provider{Name: name}
	short := strings.TrimSuffix(strings.ToLower(name), "executionprovider")
	if slices.Contains([]string{"cpu", "cuda", "webgpu", "null"}, short) {
		p.Name = short
	}
	if !hasOptions {
		return p, nil
	}
	p.Options = map[string]string{}
	for _, option := range strings.Split(rest, ";") {
		key, value, ok := strings.Cut(option, "=")
		if !ok || key == "" {
			return Provider{}, fmt.Errorf("provider %q: option %q is not key=value", text, option)
		}
		if _, twice := p.Options[key]; twice {
			return Provider{}, fmt.Errorf("provider %q: option %q is given twice", text, key)
		}
		p.Options[key] = value
	}
	if p.Name == "null" {
		return p, checkNull(p.Options)
	}
	return p, nil
}

// checkNull looks at the options of the provider that computes nothing.
func checkNull(options map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		value := options[key]
		var err error
		switch key {
		case "service":
			_, err = ParseDuration(value)
		case "dist":
			err = oneOf(new(string), "distribution", []byte(value), []string{"constant", "exponential"})
		case "mode":
			err = oneOf(new(string), "mode", []byte(value), []string{"sleep", "spin"})
		case "stall":
			length, at, ok := strings.Cut(value, "@")
			if !ok {
				return fmt.Errorf("provider null: stall %q is not LENGTH@START, such as 500ms@5s", value)
			}
			if _, err = ParseDuration(length); err == nil {
				_, err = ParseDuration(at)
			}
		case "fail", "hang":
			err = new(Count).UnmarshalText([]byte(value))
		case "slow":
			percent, ok := strings.CutSuffix(value, "%/s")
			if _, err = parsePositive(percent); !ok || err != nil {
				return fmt.Errorf("provider null: slow %q is not the part of service that each second adds, such as 10%%/s", value)
			}
		case "seed":
			_, err = strconv.ParseUint(value, 10, 64)
		default:
			return fmt.Errorf("provider null: unknown option `%s`%s", key, suggestion(key, []string{"service", "dist", "mode", "stall", "fail", "hang", "slow", "seed"}))
		}
		if err != nil {
			return fmt.Errorf("provider null: %s: %w", key, err)
		}
	}
	return nil
}

// String is the inverse of ParseProvider, with options in order of their keys.
func (p Provider) String() string {
	if len(p.Options) == 0 {
		return p.Name
	}
	var options []string
	for _, key := range slices.Sorted(maps.Keys(p.Options)) {
		options = append(options, key+"="+p.Options[key])
	}
	return p.Name + ":" + strings.Join(options, ";")
}

// label is the provider as it stands in arm names. Where several option sets of one provider occur, those that have options carry 6 hex
// digits of their hash.
func (p Provider) label(severalSets bool) string {
	name := strings.ToLower(p.Name)
	if !severalSets || len(p.Options) == 0 {
		return name
	}
	sum := sha256.Sum256([]byte(p.String()))
	return name + "-" + hex.EncodeToString(sum[:3])
}
