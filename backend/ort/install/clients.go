package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A ClientError says why no package manager delivered the library, one reason each.
type ClientError struct {
	Package string // "onnxruntime 1.30.0"
	Absent  bool   // there is no package manager at all
	Reasons []error
}

func (e *ClientError) Error() string {
	const remedy = "or fetch the package on another machine and give it with --from FILE"
	var reasons []string
	for _, r := range e.Reasons {
		reasons = append(reasons, r.Error())
	}
	why := strings.Join(reasons, "; ")
	if e.Absent {
		return fmt.Sprintf("%s comes from a package manager, and there is none (%s): install one, %s", e.Package, why, remedy)
	}
	return fmt.Sprintf("cannot get %s (%s): check the network and the package manager's settings, %s", e.Package, why, remedy)
}

// Unwrap gives the reasons.
func (e *ClientError) Unwrap() []error { return e.Reasons }

// absentError says that a client is not there or does not start.
type absentError struct {
	client string
	cause  error
}

func (e *absentError) Error() string {
	if e.cause == nil {
		return e.client + " is not installed"
	}
	return fmt.Sprintf("%s does not start: %v", e.client, e.cause)
}

// fetch asks the sources of the variant in turn and unpacks the first package that arrives.
func fetch(ctx context.Context, o Options, work, dir string) (staged, error) {
	v := variantByName(o.Variant)
	failed := &ClientError{Package: "ONNX Runtime " + o.Version + " (" + v.name + ")", Absent: true}
	for _, src := range v.sources {
		s, err := src.fetch(ctx, o, work, dir)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return staged{}, ctx.Err()
		}
		var asked *exec.ExitError
		absent := errors.As(err, new(*absentError))
		if !absent && !errors.As(err, &asked) {
			return staged{}, err // a package came and is not what it should be: no other source mends that
		}
		failed.Absent = failed.Absent && absent
		failed.Reasons = append(failed.Reasons, err)
	}
	return staged{}, failed
}

// fetch downloads the source's packages into a folder of work and unpacks them into dir.
func (src source) fetch(ctx context.Context, o Options, work, dir string) (staged, error) {
	argv, err := findClient(ctx, o.Lookup, src.client)
	if err != nil {
		return staged{}, err
	}
	packages := filepath.Join(work, src.client)
	if err := os.Mkdir(packages, 0o755); err != nil {
		return staged{}, err
	}
	label := fmt.Sprintf("%s %s %s", src.client, src.name, o.Version)
	o.Progress(fmt.Sprintf("asking %s for %s %s", src.client, src.name, o.Version))
	if src.client == "npm" {
		argv = append(argv, npmArgs(src, o.Version)...)
	} else {
		argv = append(argv, pipArgs(src, o.Version, o.Platform)...)
	}
	if err := runClient(ctx, src.client, packages, argv); err != nil {
		return staged{}, err
	}
	o.Progress("unpacking " + src.name)
	files, err := src.unpackAll(ctx, o, packages, dir)
	if err != nil {
		return staged{}, fmt.Errorf("unpack %s: %w", label, err)
	}
	return newStaged(dir, label, files, o.Platform)
}

// unpackAll takes the runtime out of the source's own package and shared libraries out of the packages that it needs.
// Each is removed once unpacked, to bound the space that the large ones take.
func (src source) unpackAll(ctx context.Context, o Options, packages, dir string) ([]record, error) {
	entries, err := os.ReadDir(packages)
	if err != nil {
		return nil, err
	}
	var files []record
	found := false
	for _, e := range entries {
		want := dependencyMember(machines[o.Platform])
		if src.owns(e.Name()) {
			want, found = runtimeMember(machines[o.Platform]), true
		}
		file := filepath.Join(packages, e.Name())
		got, err := unpack(ctx, file, dir, want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		files = append(files, got...)
		if err := os.Remove(file); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("%s answered without a package of %s", src.client, src.name)
	}
	slices.SortFunc(files, func(a, b record) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// owns tells the source's own package file from those of its dependencies; wheels write names with underscores.
func (src source) owns(file string) bool {
	name := strings.ReplaceAll(strings.ToLower(file), "_", "-")
	return strings.HasPrefix(name, src.name+"-")
}

// pipPlatforms lists the wheel tags that the Linux distributions of today accept, newest first. pip does not derive the
// older ones from the newer, and the CUDA wheels carry old ones.
func pipPlatforms(platform string) []string {
	arch := map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[platform]
	var tags []string
	for _, t := range []string{"manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1"} {
		tags = append(tags, t+"_"+arch)
	}
	return tags
}

// pipArgs asks for wheels of one explicit platform and Python, whatever pip itself runs on: the library inside is the
// same for every Python. The CUDA libraries come partly by way of other packages, so extras are resolved with their dependencies.
func pipArgs(src source, version, platform string) []string {
	args := []string{"download", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2",
		"--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"}
	for _, p := range pipPlatforms(platform) {
		args = append(args, "--platform", p)
	}
	requirement := src.name
	if src.extras == "" {
		args = append(args, "--no-deps")
	} else {
		requirement += "[" + src.extras + "]"
	}
	return append(args, "--dest", ".", requirement+"=="+version)
}

func npmArgs(src source, version string) []string {
	return []string{"pack", "--ignore-scripts", "--no-update-notifier", "--fetch-retries", "2", "--loglevel", "error", src.name + "@" + version}
}

// clientCommands lists how each client can be called; the first that answers is used.
var clientCommands = map[string][][]string{
	"pip": {{"pip"}, {"pip3"}, {"python3", "-m", "pip"}, {"python", "-m", "pip"}},
	"npm": {{"npm"}},
}

// findClient returns the command line of a client that starts. A name on the path is not enough: shims of version
// managers and Pythons without pip are there and fail.
func findClient(ctx context.Context, lookup func(string) (string, error), client string) ([]string, error) {
	absent := &absentError{client: client}
	for _, command := range clientCommands[client] {
		program, err := lookup(command[0])
		if err != nil {
			continue
		}
		argv := append([]string{program}, command[1:]...)
		err = runClient(ctx, strings.Join(command, " "), "", append(slices.Clone(argv), "--version"))
		if err == nil {
			return argv, nil
		}
		absent.cause = err
	}
	return nil, absent
}

// runClient runs a package manager in dir; its own words become part of the error.
func runClient(ctx context.Context, name, dir string, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w%s", name, err, lastWords(out.String()))
	}
	return nil
}

// lastWords returns the lines of a client's output that carry the cause: those marked as errors, else the last one.
func lastWords(out string) string {
	var lines, marked []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		lines = append(lines, line)
		lower := strings.ToLower(line)
		if strings.HasPrefix(lower, "error:") || strings.HasPrefix(lower, "npm error") || strings.HasPrefix(lower, "npm err!") {
			marked = append(marked, line)
		}
	}
	if len(marked) == 0 && len(lines) > 0 {
		marked = lines[len(lines)-1:]
	}
	if len(marked) == 0 {
		return ""
	}
	return ": " + strings.Join(marked[:min(3, len(marked))], " | ")
}
