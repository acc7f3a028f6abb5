// Package upgrade converts a model to a newer version of the default operator set, one version at a time.
//
// What an operator of one version means in the next is said by one rule; most say that nothing changed. Where there is no rule the model is
// refused: a converted model computes what the original does. Operators of other domains stay as they are.
//
// What changed from version to version is taken from the schemas of onnx 1.23 (onnx/onnx docs/Changelog.md), and what the older forms
// compute from the runtime's kernels (onnxruntime 1.30.0), against which each rule is tested.
package upgrade
