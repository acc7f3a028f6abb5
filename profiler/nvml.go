//go:build cgo && linux

package profiler

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

type gpuFacts struct {
	devices []GPU
	driver  string
}

// fieldPowerInstant is NVML_FI_DEV_POWER_INSTANT: the current power, where GetPowerUsage may be an average over a second.
const fieldPowerInstant = 186

// gpus reads all devices through the driver's library. The binding calls symbols that the loaded library may lack, and a missing one ends
// the process; so each is looked up first, and nothing at all is called after a start that failed.
type gpus struct {
	lib     nvml.Interface
	has     map[string]bool
	devices []nvml.Device
	names   []string
}

// nvmlCalls are the functions that are called when they are there.
var nvmlCalls = []string{"nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName", "nvmlSystemGetDriverVersion",
	"nvmlDeviceGetPowerUsage", "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2",
	"nvmlDeviceGetUtilizationRates", "nvmlDeviceGetFieldValues", "nvmlDeviceGetMigMode"}

func openNVML(library string) (source, gpuFacts, error) {
	name := orDefault(library, "libnvidia-ml.so.1")
	lib := nvml.New(nvml.WithLibraryPath(name))
	switch ret := lib.Init(); ret {
	case nvml.SUCCESS:
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, gpuFacts{}, fmt.Errorf("no GPU sensors: %s cannot be loaded; it comes with the NVIDIA driver, or name another with --nvml-library", name)
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return nil, gpuFacts{}, errors.New("no GPU sensors: the NVIDIA driver is not loaded")
	default:
		return nil, gpuFacts{}, fmt.Errorf("no GPU sensors: the NVIDIA library would not start (NVML error %d)", int(ret))
	}
	g := &gpus{lib: lib, has: map[string]bool{}}
	for _, call := range nvmlCalls {
		g.has[call] = lib.Extensions().LookupSymbol(call) == nil
	}
	facts, err := g.find()
	if err != nil {
		g.close()
		return nil, facts, err
	}
	return g, facts, nil
}

func (g *gpus) find() (gpuFacts, error) {
	var facts gpuFacts
	if !g.has["nvmlDeviceGetCount_v2"] || !g.has["nvmlDeviceGetHandleByIndex_v2"] {
		return facts, errors.New("no GPU sensors: the NVIDIA library is too old")
	}
	if g.has["nvmlSystemGetDriverVersion"] {
		facts.driver, _ = g.lib.SystemGetDriverVersion()
	}
	n, ret := g.lib.DeviceGetCount()
	if ret != nvml.SUCCESS || n == 0 {
		return facts, errors.New("no GPU sensors: the driver lists no device")
	}
	for i := range n {
		d, ret := g.lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue
		}
		g.devices = append(g.devices, d)
		g.names = append(g.names, fmt.Sprintf("gpu.%d", i))
		facts.devices = append(facts.devices, g.describe(d))
	}
	if len(g.devices) == 0 {
		return facts, errors.New("no GPU sensors: no device may be read; check permissions on the device files")
	}
	return facts, nil
}

func (g *gpus) describe(d nvml.Device) GPU {
	var out GPU
	if g.has["nvmlDeviceGetName"] {
		name, _ := d.GetName()
		out.Name = strings.TrimSpace(name)
	}
	if m, ok := g.memory(d); ok {
		out.MemoryBytes = m.Total
	}
	if g.has["nvmlDeviceGetMigMode"] {
		current, _, ret := d.GetMigMode()
		out.MIG = ret == nvml.SUCCESS && current == nvml.DEVICE_MIG_ENABLE
	}
	return out
}

func (g *gpus) close() { g.lib.Shutdown() }

func (g *gpus) read(emit func(string, float64)) {
	for i, d := range g.devices {
		name := g.names[i]
		if w, ok := g.power(d); ok {
			emit(name+".power", w)
		}
		if g.has["nvmlDeviceGetTotalEnergyConsumption"] {
			if mj, ret := d.GetTotalEnergyConsumption(); ret == nvml.SUCCESS {
				emit(name+".energy", float64(mj)/1e3)
			}
		}
		if m, ok := g.memory(d); ok {
			emit(name+".memory.used", float64(m.Used))
		}
		if g.has["nvmlDeviceGetUtilizationRates"] {
			if u, ret := d.GetUtilizationRates(); ret == nvml.SUCCESS {
				emit(name+".utilization", float64(u.Gpu)/100)
			}
		}
	}
}

// power is the current power in watts. A card that answers 0 has not answered: an idle one draws several.
func (g *gpus) power(d nvml.Device) (float64, bool) {
	if g.has["nvmlDeviceGetFieldValues"] {
		fields := []nvml.FieldValue{{FieldId: fieldPowerInstant}}
		if d.GetFieldValues(fields) == nvml.SUCCESS && nvml.Return(fields[0].NvmlReturn) == nvml.SUCCESS {
			if mw := fieldNumber(fields[0]); mw > 0 {
				return mw / 1e3, true
			}
		}
	}
	if g.has["nvmlDeviceGetPowerUsage"] {
		if mw, ret := d.GetPowerUsage(); ret == nvml.SUCCESS && mw > 0 {
			return float64(mw) / 1e3, true
		}
	}
	return 0, false
}

// fieldNumber decodes a field's eight bytes by its type (nvmlValueType_t: double, unsigned int, unsigned long, unsigned and signed long long,
// int, unsigned short).
func fieldNumber(f nvml.FieldValue) float64 {
	bits := binary.LittleEndian.Uint64(f.Value[:])
	switch f.ValueType {
	case 0:
		return math.Float64frombits(bits)
	case 1:
		return float64(uint32(bits))
	case 4:
		return float64(int64(bits))
	case 5:
		return float64(int32(bits))
	case 6:
		return float64(uint16(bits))
	}
	return float64(bits)
}

func (g *gpus) memory(d nvml.Device) (nvml.Memory, bool) {
	if g.has["nvmlDeviceGetMemoryInfo_v2"] {
		if m, ret := d.GetMemoryInfo_v2(); ret == nvml.SUCCESS {
			return nvml.Memory{Total: m.Total, Free: m.Free, Used: m.Used}, true
		}
	}
	if g.has["nvmlDeviceGetMemoryInfo"] {
		if m, ret := d.GetMemoryInfo(); ret == nvml.SUCCESS {
			return m, true
		}
	}
	return nvml.Memory{}, false
}
