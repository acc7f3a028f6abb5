package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// searched are the flags of bench that a search for a rate has no use for, and why.
var searched = map[string]string{
	"rate":        "a search varies the rate itself",
	"profile":     "a search looks for one rate that holds, and does not change it within a window",
	"normalize":   "arrivals of a search are as random as --arrivals says",
	"time-scale":  "a search replays no trace",
	"samples":     "a request of a search is one query; --batch gives it several examples",
	"requests":    "probes last as long as they must; --duration sets their length, and --budget how long load is sent",
	"blocks":      "a search repeats its probes as often as it must; --budget sets how long load is sent",
	"until":       "a search ends when its band is narrow enough, or by --budget",
	"looks":       "a search ends when its band is narrow enough, or by --budget",
	"on-overload": "overload is what a search is after",
	"batching":    "a search predicts latency from single calls; measure rates with `assay bench --scenario server --rate R --batching ...`",
	"dataset":     "a search measures no quality; use `assay bench`",
	"label":       "a search measures no quality; use `assay bench`",
	"metrics":     "a search measures no quality; use `assay bench`",
	"fast":        "a search has no blocks; a short --budget makes it quick, and its band wide",
}

// refuseSearched registers what searched lists, each answered with its reason, and the one scenario that a search has.
func refuseSearched(fs *pflag.FlagSet) {
	for name, why := range searched {
		refuse(fs, name, why, "")
	}
	refuse(fs, "scenario", "the load of a search is `server`; measure the others with `assay bench`", "server")
}

func refuse(fs *pflag.FlagSet, name, why, allowed string) {
	fs.Var(&refusedFlag{why, allowed}, name, why)
	f := fs.Lookup(name)
	f.Hidden = true
	if name == "fast" || name == "normalize" {
		f.NoOptDefVal = "true"
	}
}

// refusedFlag is a flag that takes one value at most: any other is answered with a reason.
type refusedFlag struct{ why, allowed string }

func (r *refusedFlag) String() string { return r.allowed }
func (r *refusedFlag) Type() string   { return "string" }

// Set implements pflag.Value.
func (r *refusedFlag) Set(value string) error {
	if value == r.allowed && value != "" {
		return nil
	}
	return fmt.Errorf("%s", r.why)
}
