/* A program that shows a model in its memory, and reads of it what it is told:
 * for the measure of what that costs. There is no libc. */
#include "phi.h"

#define WASM_PAGE_BYTES (64u << 10)

static uint8_t *window;

static phi_status map(uint64_t bytes) {
	phi_cap weights;
	phi_status status;
	uintptr_t at = __builtin_wasm_memory_grow(0, (bytes + PHI_LARGE_PAGE_BYTES) / WASM_PAGE_BYTES + 1);
	if (at == (uintptr_t)-1) return PHI_ERROR_NO_MEMORY;
	at = (at * WASM_PAGE_BYTES + PHI_LARGE_PAGE_BYTES - 1) & ~(uintptr_t)(PHI_LARGE_PAGE_BYTES - 1);
	if ((status = phi_named("weights", &weights))) return status;
	window = (uint8_t *)at;
	return phi_map(weights, 0, window, (uint32_t)bytes, PHI_REGION_PRIVATE);
}

/* Word 0: bytes to map, or zero to read as many as word 1 says, a byte a page. */
static phi_status answer(phi_msg *m) {
	uint64_t sum = 0, end = m->words[1];
	if (m->words[0]) return map(m->words[0]);
	for (uint64_t i = 0; i < end; i += PHI_PAGE_BYTES) sum += ((volatile uint8_t *)window)[i];
	m->words[0] = sum;
	return PHI_OK;
}

PHI_SERVE(answer)
