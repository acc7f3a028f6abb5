package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"assay/backend/ort/install"
)

// newRuntimeCmd groups what is done about the ONNX Runtime library.
func newRuntimeCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runtime",
		Short: "Install and find the ONNX Runtime library",
		Long: `The library comes out of a package that your own pip or npm fetches, is checked against a pinned SHA-256 and kept in
your cache directory. Every variant installs the same version, so that comparing providers does not compare versions.`,
		Example: "  assay runtime install\n  assay runtime list\n  assay runtime path",
	}
	cmd.AddCommand(newRuntimeInstallCmd(a), newRuntimeListCmd(a), newRuntimePathCmd(a))
	return cmd
}

func newRuntimeInstallCmd(a *app) *cobra.Command {
	var o install.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Get the ONNX Runtime library with pip or npm, or from a file",
		Long: `Gets the library with the package manager that you have and keeps it in your cache directory.

  cpu     from pip (onnxruntime) or npm (onnxruntime-node); about 29 MB
  webgpu  from npm (onnxruntime-node); about 46 MB
  gpu     from pip (onnxruntime-gpu with the CUDA and cuDNN libraries it needs); several GB

A version other than ` + install.DefaultVersion + ` has no pinned SHA-256: it is taken with a warning that says what it was.`,
		Example: `  assay runtime install
  assay runtime install --variant webgpu
  assay runtime install --from onnxruntime-` + install.DefaultVersion + `-cp312-cp312-manylinux_2_28_x86_64.whl`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.Progress = func(line string) { fmt.Fprintln(a.stderr, line) }
			return a.runtimeInstall(ctx, o, asJSON)
		},
	}
	cmd.Flags().StringVar(&o.Variant, "variant", "", "cpu, webgpu or gpu (default cpu, or with --from what the file holds)")
	cmd.Flags().StringVar(&o.Version, "version", "", "version of ONNX Runtime (default "+install.DefaultVersion+", or with --from what the file holds)")
	cmd.Flags().StringVar(&o.From, "from", "", "take the library from this .so, .whl, .zip or .tgz")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) runtimeInstall(ctx context.Context, o install.Options, asJSON bool) error {
	var err error
	if o.Dir, err = install.DefaultDir(); err != nil {
		return usageError(err)
	}
	lib, err := install.Install(ctx, o)
	if errors.Is(err, context.Canceled) {
		return withCode(exitInterrupted, errors.New("interrupted; nothing was installed"))
	}
	if err != nil {
		return usageError(fmt.Errorf("install ONNX Runtime: %w", err))
	}
	if !lib.Pinned {
		fmt.Fprintf(a.stderr, "warning: ONNX Runtime %s is unpinned: SHA-256 is %s\n", lib.Version, lib.SHA256)
	}
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(lib)
	}
	_, err = fmt.Fprintf(a.stdout, "ONNX Runtime %s (%s) from %s: %s\n", lib.Version, lib.Variant, lib.Source, lib.Path)
	return err
}

func newRuntimeListCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the installed ONNX Runtime libraries, the preferred one first",
		Example: "  assay runtime list\n  assay runtime list --json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := install.DefaultDir()
			if err != nil {
				return usageError(err)
			}
			libs, err := install.List(dir)
			if err != nil {
				return usageError(err)
			}
			if asJSON {
				return json.NewEncoder(a.stdout).Encode(map[string][]install.Library{"libraries": append([]install.Library{}, libs...)})
			}
			return a.printLibraries(dir, libs)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printLibraries(dir string, libs []install.Library) error {
	if len(libs) == 0 {
		_, err := fmt.Fprintf(a.stdout, "no ONNX Runtime library is installed in %s; run `assay runtime install`\n", dir)
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tVARIANT\tPROVIDERS\tSHA-256\tPATH")
	for _, l := range libs {
		sum := l.SHA256[:12]
		if !l.Pinned {
			sum += " (unpinned)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Version, l.Variant, strings.Join(l.Providers, ","), sum, l.Path)
	}
	return w.Flush()
}

func newRuntimePathCmd(a *app) *cobra.Command {
	var providers []string
	var variant, version string
	cmd := &cobra.Command{
		Use:   "path",
		Short: "Print the path of the library that a provider would be run with",
		Example: `  assay runtime path
  assay runtime path --provider webgpu
  assay runtime path --variant gpu --version ` + install.DefaultVersion,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := install.DefaultDir()
			if err != nil {
				return usageError(err)
			}
			lib, err := pickLibrary(dir, variant, version, providers)
			if err != nil {
				return usageError(err)
			}
			_, err = fmt.Fprintln(a.stdout, lib.Path)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&providers, "provider", nil, "execution providers that the library must have (default cpu)")
	cmd.Flags().StringVar(&variant, "variant", "", "only this variant")
	cmd.Flags().StringVar(&version, "version", "", "only this version")
	return cmd
}

// pickLibrary is install.Find, narrowed to a variant and a version where they are given.
func pickLibrary(dir, variant, version string, providers []string) (install.Library, error) {
	if variant == "" && version == "" {
		return install.Find(dir, providers...)
	}
	if len(providers) > 0 {
		return install.Library{}, errors.New("--provider chooses the library itself; leave out --variant and --version")
	}
	libs, err := install.List(dir)
	if err != nil {
		return install.Library{}, err
	}
	command := "assay runtime install"
	if variant != "" {
		command += " --variant " + variant
	}
	if version != "" {
		command += " --version " + version
	}
	for _, l := range libs {
		if (variant == "" || l.Variant == variant) && (version == "" || l.Version == version) {
			return l, nil
		}
	}
	return install.Library{}, fmt.Errorf("no such ONNX Runtime library is installed in %s; run `%s`", dir, command)
}
