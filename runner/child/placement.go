package child

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"assay/backend"
	"assay/results"
	"assay/tensor"
)

// countNodes adds nodes up; asked is the provider that all were meant for.
func countNodes(nodes []backend.Node, asked string) results.Nodes {
	n := results.Nodes{ByProvider: map[string]int{}}
	for _, node := range nodes {
		n.ByProvider[node.Provider]++
		if !sameProvider(node.Provider, asked) {
			if n.Elsewhere == nil {
				n.Elsewhere = map[string]int{}
			}
			n.Elsewhere[node.OpType]++
		}
	}
	return n
}

// profiler is a session that can tell what ran by its profile.
type profiler interface {
	EndProfiling() (file string, err error)
}

// placed tells which provider ran which node: from the runtime's record where that is whole, else from one profiled execution, since
// providers that change the graph's layout make the runtime forget their nodes. nil where neither can tell.
func placed(ctx context.Context, b backend.Backend, s backend.Session, c Config, feeds []tensor.Value) *results.Nodes {
	nodes, err := s.Placement()
	if err != nil || len(nodes) == 0 {
		if nodes, err = profiled(ctx, b, c, feeds); err != nil || len(nodes) == 0 {
			return nil
		}
	}
	n := countNodes(nodes, c.Provider.Name)
	return &n
}

// profiled executes the model once in a session of its own with the runtime's profiler on.
func profiled(ctx context.Context, b backend.Backend, c Config, feeds []tensor.Value) ([]backend.Node, error) {
	dir, err := os.MkdirTemp(c.Scratch, ".profile-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	o := c.options()
	o.ProfilePrefix = filepath.Join(dir, "profile")
	s, err := b.Open(ctx, c.Model, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p, ok := s.(profiler)
	if !ok {
		return nil, fmt.Errorf("backend %s has no profiler", b.Info().Name)
	}
	if _, err := s.Run(ctx, feeds); err != nil {
		return nil, err
	}
	file, err := p.EndProfiling()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return nodesOf(text)
}

// nodesOf reads the executed nodes of a profile: a list of trace events, those of nodes with their operator and provider (microsoft/onnxruntime
// onnxruntime/core/common/profiler.cc). A node within a loop occurs many times and counts once.
func nodesOf(profile []byte) ([]backend.Node, error) {
	var events []struct {
		Category string `json:"cat"`
		Name     string `json:"name"`
		Args     struct {
			Op       string `json:"op_name"`
			Provider string `json:"provider"`
			Index    string `json:"node_index"`
		} `json:"args"`
	}
	if err := json.Unmarshal(profile, &events); err != nil {
		return nil, fmt.Errorf("read the runtime's profile: %w", err)
	}
	var nodes []backend.Node
	seen := map[string]bool{}
	for _, e := range events {
		key := e.Name + " " + e.Args.Index
		if e.Category != "Node" || e.Args.Provider == "" || e.Args.Op == "" || seen[key] {
			continue
		}
		seen[key] = true
		nodes = append(nodes, backend.Node{Name: e.Name, OpType: e.Args.Op, Provider: e.Args.Provider})
	}
	return nodes, nil
}
