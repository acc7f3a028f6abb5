//go:build cgo && linux

package quantize

/*
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// rewrites_code says whether the linker writes to a library's code when it loads it, which hardly any library has it do.
static int rewrites_code(const struct dl_phdr_info* lib) {
	for (int i = 0; i < lib->dlpi_phnum; i++) {
		if (lib->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
		for (const ElfW(Dyn)* d = (const ElfW(Dyn)*)(lib->dlpi_addr + lib->dlpi_phdr[i].p_vaddr); d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL))) return 1;
	}
	return 0;
}

static int forget_segments(struct dl_phdr_info* lib, size_t size, void* page) {
	if (rewrites_code(lib)) return 0;
	uintptr_t mask = *(const uintptr_t*)page - 1;
	for (int i = 0; i < lib->dlpi_phnum; i++) {
		const ElfW(Phdr)* s = &lib->dlpi_phdr[i];
		if (s->p_type != PT_LOAD || (s->p_flags & PF_W)) continue;
		uintptr_t at = lib->dlpi_addr + s->p_vaddr, from = (at + mask) & ~mask, to = (at + s->p_memsz) & ~mask; // whole pages
		if (from < to) madvise((void*)from, to - from, MADV_DONTNEED); // advice
	}
	return 0;
}

static void forget_code(void) {
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	dl_iterate_phdr(forget_segments, &page);
}
*/
import "C"

// forgetCode gives back the pages of the program and of libraries that the process has looked at, as far as nothing writes to them: what starts
// and loads a model is seldom what runs it. The system has them in its cache, and maps those that are wanted again. Other files that are mapped
// are left alone: another thread may unmap one at any time, and the C library then have the same addresses for a block of its own.
func forgetCode() { C.forget_code() }
