//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"

static struct OrtStatus* subgraphs(const struct OrtSession* s, const struct OrtEpAssignedSubgraph* const** list, size_t* n) {
	return ORT(Session_GetEpGraphAssignmentInfo)(s, list, n);
}
static struct OrtStatus* subgraph(const struct OrtEpAssignedSubgraph* g, const char** provider, const struct OrtEpAssignedNode* const** nodes, size_t* n) {
	struct OrtStatus* s = ORT(EpAssignedSubgraph_GetEpName)(g, provider);
	return s ? s : ORT(EpAssignedSubgraph_GetNodes)(g, nodes, n);
}
static struct OrtStatus* node(const struct OrtEpAssignedNode* n, const char** name, const char** domain, const char** type) {
	struct OrtStatus* s = ORT(EpAssignedNode_GetName)(n, name);
	if (!s) s = ORT(EpAssignedNode_GetDomain)(n, domain);
	return s ? s : ORT(EpAssignedNode_GetOperatorType)(n, type);
}
*/
import "C"

import (
	"fmt"
	"unsafe"

	"assay/backend"
	"assay/onnx"
)

// Placement lists the nodes, as they were after the runtime's basic optimisation, and the providers that got them. The session must have
// been opened with RecordPlacement. Where a provider had the runtime change the graph's layout (WebGPU does), the runtime forgets the nodes
// that this provider had got before: Placement then gives what there is, and an error that says so.
func (s *Session) Placement() ([]backend.Node, error) {
	if s.session == nil {
		return nil, errSessionClosed
	}
	nodes, err := s.placed()
	if err != nil || s.provider == "cpu" {
		return nodes, err
	}
	return nodes, s.checkPlacement(nodes)
}

func (s *Session) placed() ([]backend.Node, error) {
	var list **C.struct_OrtEpAssignedSubgraph
	var n C.size_t
	if err := check("ask which provider got which node", C.subgraphs(s.session, &list, &n)); err != nil {
		return nil, err
	}
	var out []backend.Node
	for _, g := range unsafe.Slice(list, int(n)) {
		var provider *C.char
		var nodes **C.struct_OrtEpAssignedNode
		var count C.size_t
		if err := check("ask for a provider's nodes", C.subgraph(g, &provider, &nodes, &count)); err != nil {
			return nil, err
		}
		for _, node := range unsafe.Slice(nodes, int(count)) {
			var name, domain, opType *C.char
			if err := check("ask for a node", C.node(node, &name, &domain, &opType)); err != nil {
				return nil, err
			}
			out = append(out, backend.Node{Name: C.GoString(name), OpType: C.GoString(opType), Domain: C.GoString(domain), Provider: C.GoString(provider)})
		}
	}
	return out, nil
}

// windowOperators are those for whose sake a layout is changed; basic optimisation removes none of them.
var windowOperators = []string{"Conv", "ConvTranspose", "MaxPool", "AveragePool"}

// checkPlacement compares how many window operators the model and the runtime's record have.
func (s *Session) checkPlacement(nodes []backend.Node) error {
	m, err := onnx.Open(s.path)
	if err != nil {
		return fmt.Errorf("compare the runtime's record of nodes with the model: %w", err)
	}
	defer m.Close()
	has, recorded := map[string]int{}, map[string]int{}
	for _, n := range m.Proto.GetGraph().GetNode() {
		has[n.GetOpType()]++
	}
	for _, n := range nodes {
		recorded[n.OpType]++
	}
	for _, op := range windowOperators {
		if recorded[op] < has[op] {
			return fmt.Errorf("the runtime changed the graph's layout for %s and recorded %d of %d nodes of type %s; a profile of the session names the rest",
				s.provider, recorded[op], has[op], op)
		}
	}
	return nil
}
