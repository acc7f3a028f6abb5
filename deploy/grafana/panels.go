package grafana

import "fmt"

// liveRun is the section of a run while it lasts, scraped from --metrics-listen.
func liveRun(l *layout) {
	l.row("Run in progress")
	l.add(6, 4, text("Run", "assay_run_info and the arm of assay_trial_info.", query("assay_run_info", "{{name}}"), query("assay_trial_info", arm)))
	l.add(3, 4, stat("Trials done", "Completed trials, assay_run_trials.", "none", query(`assay_run_trials{state="completed"}`, "")))
	l.add(3, 4, stat("Trials planned", "Planned trials, assay_run_trials.", "none", query(`assay_run_trials{state="planned"}`, "")))
	l.add(3, 4, colored(stat("Trials failed", "Failed trials, assay_run_trials.", "none", query(`assay_run_trials{state="failed"}`, "")), step{"green", nil}, step{"red", number(1)}))
	l.add(4, 4, stat("Time left", "By the trials so far, assay_run_remaining_seconds.", "s", query("assay_run_remaining_seconds", "")))
	l.add(5, 4, text("Phase", "The phase of the trial in progress, assay_trial_phase.", query("assay_trial_phase == 1", "{{phase}}")))
	l.add(12, 8, series("Requests", "Answered requests a second by arm, from assay_requests_total.", "reqps",
		query(`sum by (variant, provider, batch, threads, load) (rate(assay_requests_total{outcome="ok",`+scraped+`}[$__rate_interval]))`, arm)))
	l.add(12, 8, series("Lost requests", "Share of requests that failed, were dropped or timed out, from assay_requests_total.", "percentunit",
		query(`sum by (variant, provider) (rate(assay_requests_total{outcome="failed",`+scraped+`}[$__rate_interval])) / sum by (variant, provider) (rate(assay_requests_total{`+scraped+`}[$__rate_interval]))`, "{{variant}} {{provider}}")))
	l.add(12, 8, series("Median latency", "From assay_request_duration_seconds; the report's quantiles are exact, these are interpolated between buckets.", "s", quantile("0.5")))
	l.add(12, 8, series("99th percentile of latency", "From assay_request_duration_seconds; the report's quantiles are exact, these are interpolated between buckets.", "s", quantile("0.99")))
	l.add(12, 7, series("99th percentile of issue lateness", "How late the generator sent requests of open loads, from assay_issue_lateness_seconds.", "s",
		query(`histogram_quantile(0.99, sum by (le, variant, provider, batch, threads, load) (rate(assay_issue_lateness_seconds_bucket{`+scraped+`}[$__rate_interval])))`, arm)))
	l.add(6, 7, series("Requests in flight", "Due and not answered, assay_requests_outstanding.", "none", query("assay_requests_outstanding", "")))
	l.add(6, 7, series("Trials by verdict", "What their certificates say, assay_trial_verdicts_total.", "none", query("assay_trial_verdicts_total", "{{verdict}}")))
	l.add(8, 7, series("GPU power", "assay_gpu_power_watts; empty where no sensor answers.", "watt", query("assay_gpu_power_watts", "GPU {{gpu}}")))
	l.add(8, 7, series("GPU memory", "assay_gpu_memory_used_bytes; empty where no sensor answers.", "bytes", query("assay_gpu_memory_used_bytes", "GPU {{gpu}}")))
	l.add(4, 7, series("GPU utilisation", "assay_gpu_utilization_ratio; empty where no sensor answers.", "percentunit", query("assay_gpu_utilization_ratio", "GPU {{gpu}}")))
	l.add(4, 7, series("GPU temperature", "assay_gpu_temperature_celsius; empty where no sensor answers.", "celsius", query("assay_gpu_temperature_celsius", "GPU {{gpu}}")))
}

// latestResults is the section of the textfile that `assay export` writes.
func latestResults(l *layout) {
	l.row("Latest results")
	l.add(5, 4, verdictPanel())
	l.add(5, 4, colored(stat("Age of the results", "Time since assay_run_last_completion_timestamp_seconds.", "s",
		query(`time() - assay_run_last_completion_timestamp_seconds{model=~"$model"}`, "{{model}}")), step{"green", nil}, step{"orange", number(26 * 3600)}, step{"red", number(50 * 3600)}))
	l.add(4, 4, stat("Last run took", "assay_run_duration_seconds.", "s", query(`assay_run_duration_seconds{model=~"$model"}`, "{{model}}")))
	l.add(5, 4, stat("Since the last success", "Time since assay_run_last_success_timestamp_seconds: complete, not invalid, no gate failed.", "s",
		query(`time() - assay_run_last_success_timestamp_seconds{model=~"$model"}`, "{{model}}")))
	l.add(5, 4, colored(stat("Failed trials", "assay_result_trials.", "none", query(`assay_result_trials{model=~"$model",state="failed"}`, "{{model}}")), step{"green", nil}, step{"red", number(1)}))
	l.add(24, 7, gatesPanel())
	l.add(12, 9, bounds("Latency, 99th percentile", "assay_result_latency_seconds with the ends of its 95 % interval.", "s",
		`assay_result_latency_seconds{quantile="0.99",`+result+`}`, `assay_result_latency_ci_seconds{quantile="0.99",bound="%s",`+result+`}`))
	l.add(12, 9, bounds("Change of median latency against the baseline", "assay_result_delta_ratio with the ends of its 95 % interval; below 1 is faster.", "none",
		`assay_result_delta_ratio{metric="latency.p50",`+result+`}`, `assay_result_delta_ci_ratio{metric="latency.p50",bound="%s",`+result+`}`))
	l.add(12, 9, bounds("Throughput", "assay_result_throughput_inferences_per_second with the ends of its 95 % interval.", "none",
		`assay_result_throughput_inferences_per_second{`+result+`}`, `assay_result_throughput_ci_inferences_per_second{bound="%s",`+result+`}`))
	l.add(12, 9, bounds("Accuracy", "assay_result_quality_ratio with the ends of its 95 % interval.", "percentunit",
		`assay_result_quality_ratio{metric="accuracy",`+result+`}`, `assay_result_quality_ci_ratio{metric="accuracy",bound="%s",`+result+`}`))
	l.add(12, 9, bounds("Energy per inference", "assay_result_energy_per_inference_joules with the ends of its 95 % interval; empty where energy was not measured.", "joule",
		`assay_result_energy_per_inference_joules{`+result+`}`, `assay_result_energy_per_inference_ci_joules{bound="%s",`+result+`}`))
	l.add(6, 9, bars("Peak memory", "assay_result_memory_peak_bytes.", "bytes", query(`assay_result_memory_peak_bytes{`+result+`}`, "{{device}} "+arm)))
	l.add(6, 9, bars("Processor time per inference", "assay_result_cpu_per_inference_seconds.", "s", query(`assay_result_cpu_per_inference_seconds{`+result+`}`, arm)))
	l.add(12, 7, bars("Trials that were not valid", "By their certificates, assay_result_arm_trials.", "none", query(`assay_result_arm_trials{verdict!="valid",`+result+`} > 0`, "{{verdict}} "+arm)))
	l.add(12, 7, bars("Issue lateness, 99th percentile", "Of the worst trial, assay_result_issue_lateness_seconds.", "s", query(`assay_result_issue_lateness_seconds{`+result+`}`, arm)))
	l.add(12, 7, bars("Wait beyond the queue, 99th percentile", "Of the worst trial, assay_result_unexplained_wait_seconds.", "s", query(`assay_result_unexplained_wait_seconds{`+result+`}`, arm)))
	l.add(12, 7, bars("Share of latency that is not the model's", "Of the worst trial, assay_result_generator_share_ratio.", "percentunit", query(`assay_result_generator_share_ratio{`+result+`}`, arm)))
	l.add(16, 7, bars("Highest rate that meets the objective", "assay_result_capacity_requests_per_second with its band, of assay capacity.", "reqps",
		query(`assay_result_capacity_requests_per_second{`+result+`}`, "estimate "+searched), query(`assay_result_capacity_band_requests_per_second{`+result+`}`, "{{bound}} "+searched)))
	l.add(8, 7, stat("Is the band settled", "assay_result_capacity_status: 1 pass, 0 inconclusive, -1 fail.", "none", query(`assay_result_capacity_status{`+result+`}`, searched)))
	l.add(24, 7, bars("Model size", "assay_result_model_size_bytes.", "bytes", query(`max by (variant) (assay_result_model_size_bytes{`+result+`})`, "{{variant}}")))
}

func number(v float64) *float64 { return &v }

func query(expr, legend string) target { return target{Expr: expr, LegendFormat: legend} }

func quantile(q string) target {
	return query(`histogram_quantile(`+q+`, sum by (le, variant, provider, batch, threads, load) (rate(assay_request_duration_seconds_bucket{`+scraped+`}[$__rate_interval])))`, arm)
}

// named gives targets their letters.
func named(targets []target) []target {
	for i := range targets {
		targets[i].RefID = string(rune('A' + i))
	}
	return targets
}

func instant(targets []target) []target {
	for i := range targets {
		targets[i].Instant = true
	}
	return named(targets)
}

func series(title, description, unit string, targets ...target) panel {
	return panel{Title: title, Description: description, Type: "timeseries", Targets: named(targets),
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{Unit: unit, Min: number(0), NoValue: "no run in progress", Custom: map[string]any{"lineWidth": 1, "fillOpacity": 0, "showPoints": "never"}}, Overrides: []override{}},
		Options:     map[string]any{"legend": map[string]any{"displayMode": "list", "placement": "bottom"}, "tooltip": map[string]any{"mode": "multi", "sort": "desc"}}}
}

func stat(title, description, unit string, targets ...target) panel {
	return panel{Title: title, Description: description, Type: "stat", Targets: instant(targets),
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{Unit: unit, NoValue: "none"}, Overrides: []override{}},
		Options:     map[string]any{"colorMode": "none", "graphMode": "none", "textMode": "auto", "reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}}}
}

// text shows the legend of whatever series there is: names stand in labels.
func text(title, description string, targets ...target) panel {
	p := stat(title, description, "none", targets...)
	p.Options["textMode"] = "name"
	return p
}

func colored(p panel, steps ...step) panel {
	p.FieldConfig.Defaults.Thresholds = &thresholds{Mode: "absolute", Steps: steps}
	p.Options["colorMode"] = "value"
	return p
}

func bars(title, description, unit string, targets ...target) panel {
	return panel{Title: title, Description: description, Type: "bargauge", Targets: instant(targets),
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{Unit: unit, Min: number(0), NoValue: "none"}, Overrides: []override{}},
		Options:     map[string]any{"orientation": "horizontal", "displayMode": "basic", "reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}}}
}

func verdictPanel() panel {
	p := text("Verdict", "The run's verdict, assay_result_verdict.", query(`assay_result_verdict{model=~"$model"} == 1`, "{{model}}: {{verdict}}"))
	p.FieldConfig.Defaults.NoValue = "no results"
	return p
}

// withoutScrape leaves out what every series has and no table needs, and names the columns of values.
func withoutScrape(names map[string]string) transformation {
	return transformation{ID: "organize", Options: map[string]any{
		"excludeByName": map[string]bool{"Time": true, "__name__": true, "instance": true, "job": true}, "renameByName": names}}
}

func gatesPanel() panel {
	targets := instant([]target{query(`assay_gate_status{model=~"$model"}`, "")})
	targets[0].Format = "table"
	return panel{Title: "Gates", Description: "assay_gate_status: 1 pass, 0 inconclusive or nothing measured, -1 fail.", Type: "table", Targets: targets,
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{NoValue: "no gates"}, Overrides: []override{{Matcher: map[string]string{"id": "byName", "options": "verdict"}, Properties: []property{
			{"custom.cellOptions", map[string]string{"type": "color-text"}},
			{"mappings", []mapping{{Type: "value", Options: map[string]mappingResult{"1": {"pass", "green"}, "0": {"inconclusive", "orange"}, "-1": {"fail", "red"}}}}},
		}}}},
		Transformations: []transformation{withoutScrape(map[string]string{"Value": "verdict"})}}
}

// bounds is a table of estimates, each with both ends of its interval. The three queries keep the arm's labels alone, so that their rows
// merge; ends has a verb for the bound.
func bounds(title, description, unit, estimate, ends string) panel {
	targets := instant([]target{byArm(estimate), byArm(fmt.Sprintf(ends, "low")), byArm(fmt.Sprintf(ends, "high"))})
	for i := range targets {
		targets[i].Format = "table"
	}
	values := &fieldConfig{Overrides: []override{}, Defaults: fieldDefaults{NoValue: "not measured"}}
	for _, name := range []string{"estimate", "low", "high"} {
		values.Overrides = append(values.Overrides, override{map[string]string{"id": "byName", "options": name}, []property{{"unit", unit}}})
	}
	return panel{Title: title, Description: description, Type: "table", Targets: targets, FieldConfig: values,
		Transformations: []transformation{{ID: "merge", Options: map[string]any{}},
			withoutScrape(map[string]string{"Value #A": "estimate", "Value #B": "low", "Value #C": "high"})}}
}

func byArm(expr string) target {
	return query("max by (model, variant, provider, batch, threads, load) ("+expr+")", "")
}
