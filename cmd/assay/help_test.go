package main

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
)

// visible lists every command that people call, groups left out.
func visible(cmd *cobra.Command) (out []*cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		if c.HasSubCommands() {
			out = append(out, visible(c)...)
			continue
		}
		out = append(out, c)
	}
	return out
}

// TestEveryCommandHasExamplesThatParse takes each example of each command's help and checks that the program knows its words and flags.
func TestEveryCommandHasExamplesThatParse(t *testing.T) {
	root := newRootCmd(&app{})
	commands := visible(root)
	if len(commands) < 12 {
		t.Fatalf("only %d commands", len(commands))
	}
	for _, c := range commands {
		examples := examplesOf(c.Example)
		if want := 2; len(examples) < want && c.Name() != "list" && c.Name() != "path" {
			t.Errorf("%s has %d examples, want %d", c.CommandPath(), len(examples), want)
		}
		own := 0
		for _, example := range examples {
			found, args, err := newRootCmd(&app{}).Find(example)
			if err != nil {
				t.Errorf("%q: %v", example, err)
				continue
			}
			if found.CommandPath() == c.CommandPath() {
				own++
			}
			if err := found.ParseFlags(args); err != nil {
				t.Errorf("%q: %v", example, err)
				continue
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%q: %v", example, err)
			}
		}
		if own == 0 {
			t.Errorf("no example of %s calls it", c.CommandPath())
		}
	}
}

// shellWords splits at blanks outside single quotes.
func shellWords(line string) (words []string) {
	quoted, word := false, ""
	for _, r := range line + " " {
		switch {
		case r == '\'':
			quoted = !quoted
		case r == ' ' && !quoted:
			if word != "" {
				words = append(words, word)
			}
			word = ""
		default:
			word += string(r)
		}
	}
	return words
}

func TestCompletionIsThere(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out bytes.Buffer
		if code := run([]string{"completion", shell}, nil, &out, &out); code != exitPass || out.Len() < 1000 {
			t.Errorf("%s: exit %d, %d bytes", shell, code, out.Len())
		}
	}
}

func BenchmarkHelp(b *testing.B) {
	for b.Loop() {
		var out bytes.Buffer
		if code := run([]string{"--help"}, nil, &out, &out); code != exitPass {
			b.Fatal(code)
		}
	}
}
