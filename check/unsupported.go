package check

import (
	"errors"
	"strings"

	"assay/backend"
)

// refusals maps what ONNX Runtime writes when it does not have something, where its error code does not say so, to the
// reason in a few words. The code for it (NOT_IMPLEMENTED) is used for missing kernels alone; the rest comes as FAIL,
// RUNTIME_EXCEPTION or INVALID_GRAPH (microsoft/onnxruntime onnxruntime/core/graph/model_load_utils.h and graph.cc,
// core/providers/cpu/rnn, core/providers/cpu/text/string_normalizer.cc; words as seen in version 1.30.0).
var refusals = []struct{ words, reason string }{
	{"Could not find an implementation for", "no kernel"},
	{"Failed to find kernel for", "no kernel"},
	{"is under development and support for this is limited", "operator set too new"},
	{"is not a registered function/op", "operator not registered"},
	{"No Op registered for", "operator not registered"},
	{"Unsupported model IR version", "model format too new"},
	{"Failed to construct locale", "locale not installed"},
	{"is not supported", "not supported"},
	{"are not supported", "not supported"},
	{"not currently supported", "not supported"},
	{"nsupported data type", "not supported"},
	{"not implemented", "not implemented"},
}

// unsupported says in a few words what the runtime lacks, where that is why it refused: nothing is wrong with the model or
// the data then.
func unsupported(err error) (reason string, ok bool) {
	var refusal *backend.Error
	if !errors.As(err, &refusal) {
		return "not supported", errors.Is(err, errors.ErrUnsupported)
	}
	for _, r := range refusals {
		if strings.Contains(refusal.Message, r.words) {
			return r.reason, true
		}
	}
	return "not implemented", refusal.Code == backend.CodeNotImplemented || errors.Is(err, errors.ErrUnsupported)
}

// unsupportedError says what is lacking where that shows only afterwards.
type unsupportedError string

func (e unsupportedError) Error() string        { return string(e) }
func (e unsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// describe is an error as one line. A runtime's refusal is its message, and its log where that says more; where the model
// lies is known.
func describe(err error) string {
	var refusal *backend.Error
	if !errors.As(err, &refusal) {
		return oneLine(err.Error())
	}
	text := oneLine(refusal.Message)
	if log := oneLine(refusal.Log); !strings.Contains(text, log) {
		text += " (" + log + ")"
	}
	return text
}

// oneLine joins the lines of a message: a result is one line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
