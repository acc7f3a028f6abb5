package install

import (
	"debug/elf"
	"maps"
	"slices"
)

// DefaultVersion is the ONNX Runtime that every variant installs, so that a comparison of providers is not one of versions.
const DefaultVersion = "1.30.0"

// A variant is one build of the runtime and the packages that carry it.
type variant struct {
	name      string
	providers []string // those that the build can offer, by the names that users write
	sources   []source // in order of preference
}

// A source is a package of one client.
type source struct {
	client string // "pip" or "npm"
	name   string // of the package
	extras string // pip extras whose wheels hold libraries that a provider needs
}

// variants lists the builds from the smallest to the largest.
var variants = []variant{
	{name: "cpu", providers: []string{"cpu"},
		sources: []source{{client: "pip", name: "onnxruntime"}, {client: "npm", name: "onnxruntime-node"}}},
	{name: "webgpu", providers: []string{"cpu", "webgpu"},
		sources: []source{{client: "npm", name: "onnxruntime-node"}}},
	{name: "gpu", providers: []string{"cpu", "cuda", "tensorrt"},
		sources: []source{{client: "pip", name: "onnxruntime-gpu", extras: "cuda,cudnn"}}},
}

func variantByName(name string) *variant {
	for i := range variants {
		if variants[i].name == name {
			return &variants[i]
		}
	}
	return nil
}

func variantNames() []string {
	names := make([]string, len(variants))
	for i, v := range variants {
		names[i] = v.name
	}
	return names
}

// machines maps the platforms that packages are known for to the machine in a library's header.
var machines = map[string]elf.Machine{
	"linux/amd64": elf.EM_X86_64,
	"linux/arm64": elf.EM_AARCH64,
}

func platforms() []string { return slices.Sorted(maps.Keys(machines)) }

// pin names one library that is known to be the project's own.
type pin struct {
	platform, variant, version string
	sha256                     string
}

// pins holds the SHA-256 of the library file inside the package: packages differ between clients and Python versions,
// the library inside is one. Taken from the wheels for CPython 3.11 to 3.14 and the npm package of that version.
var pins = []pin{
	{"linux/amd64", "cpu", "1.30.0", "c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed"},    // pip onnxruntime
	{"linux/amd64", "cpu", "1.30.0", "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23"},    // npm onnxruntime-node
	{"linux/amd64", "webgpu", "1.30.0", "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23"}, // npm onnxruntime-node
	{"linux/amd64", "gpu", "1.30.0", "5a140dc17c8b60b35b2ceab0bb533e65ac54f06a208948417c1f9c31df6afc4c"},    // pip onnxruntime-gpu
	{"linux/arm64", "cpu", "1.30.0", "8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789"},    // pip onnxruntime
	{"linux/arm64", "cpu", "1.30.0", "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76"},    // npm onnxruntime-node
}

// pinned returns the hashes that a library may have; none means that the version is not pinned.
func pinned(platform, variant, version string) []string {
	var sums []string
	for _, p := range pins {
		if p.platform == platform && p.variant == variant && p.version == version {
			sums = append(sums, p.sha256)
		}
	}
	return sums
}
