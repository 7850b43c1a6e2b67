/* The sharer of apps/shared-region that is written in C, without a libc. */
#include "phi.h"

#define WINDOW_BYTES_MAX (1u << 30)
#define WASM_PAGE_BYTES (64u << 10)

static uint8_t *window;
static uint32_t shown;

/* place makes room for a window at the end of the memory, aligned for the
 * largest pages. Nothing else takes memory there: there is no libc. */
static uint8_t *place(uint32_t bytes) {
	uint32_t pages = (bytes + PHI_LARGE_PAGE_BYTES) / WASM_PAGE_BYTES + 1;
	uintptr_t at = __builtin_wasm_memory_grow(0, pages);
	if (at == (uintptr_t)-1) return NULL;
	at = at * WASM_PAGE_BYTES + PHI_LARGE_PAGE_BYTES - 1;
	return (uint8_t *)(at & ~(uintptr_t)(PHI_LARGE_PAGE_BYTES - 1));
}

static phi_status map(uint64_t bytes) {
	phi_cap shared;
	phi_status status;
	if (shown) return PHI_OK;
	if (bytes > WINDOW_BYTES_MAX) return PHI_ERROR_RANGE;
	if (!window && !(window = place((uint32_t)bytes))) return PHI_ERROR_NO_MEMORY;
	if ((status = phi_named("shared", &shared))) return status;
	status = phi_map(shared, 0, window, (uint32_t)bytes, PHI_REGION_SHARED);
	if (!status) shown = (uint32_t)bytes;
	return status;
}

static phi_status unmap(void) {
	shown = 0;
	return phi_unmap(window);
}

/* The node may change the bytes behind the compiler's back. */
static phi_status answer(phi_msg *m) {
	volatile uint8_t *bytes = window;
	uint64_t word = m->words[0], sum = 0;
	phi_status status = PHI_OK;
	if (phi_msg_is(m, "map")) {
		status = map(word);
	} else if (!shown) {
		status = PHI_ERROR_STATE;
	} else if (phi_msg_is(m, "sum")) {
		for (uint32_t i = 0; i < shown; i++) sum += bytes[i];
	} else if (phi_msg_is(m, "write")) {
		for (uint32_t i = 0; i < shown; i++) bytes[i] = (uint8_t)word;
	} else if (phi_msg_is(m, "unmap")) {
		status = unmap();
	} else {
		status = PHI_ERROR_BAD_ARGUMENT;
	}
	phi_msg_clear(m);
	m->words[0] = sum;
	return status;
}

PHI_SERVE(answer)
