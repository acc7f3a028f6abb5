package quantize

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ownFiles are the files of a quantization by what they hold; the others are forms of the user's model.
var ownFiles = map[string]string{"quantized.onnx": "the quantized model", "optimized.onnx": "the optimised model", "unshared.onnx": "the quantized model",
	"candidate.onnx": "a candidate"}

// ownSize names a temporary file before its size.
var ownSize = regexp.MustCompile(`[\w.-]+ takes `)

// reworded is an error in words of its own.
type reworded struct {
	text  string
	cause error
}

func (e *reworded) Error() string { return e.text }
func (e *reworded) Unwrap() error { return e.cause }

// withoutPaths is an error without the names of temporary files, which nobody gave and which are gone when it is read: by a model's name where they hold
// a form of it. Where there is no room for them it says where they are: see WhereRoom.
func withoutPaths(err error, model string) error {
	folder := regexp.QuoteMeta(strings.TrimRight(os.TempDir(), "/"))
	own := regexp.MustCompile(folder + `((?:/assay-[a-z]+\d+)+)(?:/([\w.-]*\w))?`)
	said := WhereRoom(err)
	text := own.ReplaceAllStringFunc(said.Error(), func(path string) string {
		name := filepath.Base(path)
		switch {
		case said != err, filepath.Ext(name) == "":
			return "a temporary file"
		case ownFiles[name] != "":
			return ownFiles[name]
		}
		return model
	})
	if said != err {
		text = ownSize.ReplaceAllString(text, "it takes ")
	}
	if text == err.Error() {
		return err
	}
	return &reworded{text, err}
}
