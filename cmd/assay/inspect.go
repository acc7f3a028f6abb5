package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"assay/onnx"
)

// newInspectCmd describes a model file without running it.
func newInspectCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Describe a model file: inputs, outputs, operators, weights",
		Long:  "Describes an ONNX file without running it and without loading its weights, so a model of gigabytes answers at once.",
		Example: `  assay inspect model.onnx
  assay inspect model.onnx --json`,
		Args: exactlyOne("an ONNX file"),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := onnx.Open(args[0])
			if err != nil {
				return usageError(err)
			}
			defer m.Close()
			info := m.Info()
			if asJSON {
				enc := json.NewEncoder(a.stdout)
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				return enc.Encode(info)
			}
			return printInfo(a.stdout, args[0], info)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printInfo(w io.Writer, path string, i onnx.Info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("model", "%s", path)
	row("producer", "%s", orDash(i.Producer))
	row("IR version", "%d", i.IRVersion)
	for _, domain := range slices.Sorted(maps.Keys(i.Opsets)) {
		row("opset", "%s %d", orDefault(domain, "ai.onnx"), i.Opsets[domain])
	}
	for _, v := range i.Inputs {
		row("input", "%s", valueText(v))
	}
	for _, v := range i.Outputs {
		row("output", "%s", valueText(v))
	}
	row("parameters", "%d", i.Parameters)
	for _, name := range slices.Sorted(maps.Keys(i.WeightBytes)) {
		row("weights", "%s %s", name, byteText(i.WeightBytes[name]))
	}
	for _, file := range i.External {
		row("external", "%s", file)
	}
	row("operators", "%s", countsText(i.Operators))
	row("quantized", "%s", map[bool]string{true: "yes", false: "no"}[i.Quantized])
	row("quantizable", "%s", orDash(strings.Join(i.Quantizable, ", ")))
	for _, key := range slices.Sorted(maps.Keys(i.Metadata)) {
		row("metadata", "%s = %.200s", key, i.Metadata[key])
	}
	return t.Flush()
}

func valueText(v onnx.Value) string {
	if v.Dims == nil {
		return v.Name + ": " + v.Type
	}
	dims := make([]string, len(v.Dims))
	for i, d := range v.Dims {
		dims[i] = fmt.Sprint(d)
	}
	return fmt.Sprintf("%s: %s[%s]", v.Name, v.Type, strings.Join(dims, ", "))
}

// countsText lists names by falling count.
func countsText(counts map[string]int) string {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s x%d", name, counts[name])
	}
	return strings.Join(parts, ", ")
}

func byteText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func orDash(s string) string { return orDefault(s, "-") }

func orDefault(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
