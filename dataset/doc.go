// Package dataset holds labelled examples and their identity, and makes the inputs of requests: from files, from values, or generated
// from what a model says about its own inputs. It runs no model.
package dataset
