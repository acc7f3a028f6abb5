// Package plan says what to run: it reads an experiment, or the flags of a bench, reports every mistake at once, and expands the rest to
// arms and blocks. It also says how long that will take and which effect it could see. It runs nothing and opens no model.
package plan
