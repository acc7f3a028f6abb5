// Package profiler reads what the machine spends while a load runs: sensors of the host and the GPU, sampled by a process of their own, and
// their reduction to figures of a window.
//
// Every sample carries its own instant on CLOCK_MONOTONIC, so spacing is never assumed. What cannot be measured has a reason, never a zero:
// a sensor is there when it answers, and a counter counts when it advances.
package profiler
