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
	"unsafe"

	"assay/backend"
)

// Placement lists the nodes and the providers that got them. The session must have been opened with RecordPlacement.
func (s *Session) Placement() ([]backend.Node, error) {
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
