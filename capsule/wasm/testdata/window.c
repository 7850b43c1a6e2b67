// What gowindow is in Go, in C and without a library.
#include <stdint.h>

__attribute__((import_module("phi:cap"), import_name("named"))) uint32_t named(const char *name, uint32_t length, uint64_t *handle);
__attribute__((import_module("phi:mem"), import_name("map"))) uint32_t map(uint64_t region, uint64_t offset, uint64_t bytes, uint64_t flags, void *at, uint64_t *result);
__attribute__((import_module("phi:mem"), import_name("ring_receive"))) uint32_t ring_receive(void *at, uint32_t message, uint32_t slots, uint64_t ns, void *bytes, uint32_t length);

enum { window_bytes = 64 << 10, ring_offset = 32 << 10 };

static uint8_t message[656] __attribute__((aligned(8)));
static uint8_t window[window_bytes] __attribute__((aligned(4096)));

__attribute__((export_name("phi_start"))) uint32_t phi_start(uint64_t flags) {
	uint64_t handle, at;
	uint32_t status = named("region", 6, &handle);
	return status ? status : map(handle, 0, window_bytes, flags, window, &at);
}

__attribute__((export_name("phi_message"))) void *phi_message(void) { return message; }

__attribute__((export_name("phi_handle"))) uint32_t phi_handle(void) {
	uint64_t *words = (uint64_t *)(message + 40);
	uint64_t *word = (uint64_t *)(window + words[1]);
	uint8_t slot[64];
	switch (words[0]) {
	case 0: words[2] = *word; break;
	case 1: *word = words[2]; break;
	case 5:
		words[3] = ring_receive(window + ring_offset, 64, 8, words[2], slot, 64);
		words[2] = slot[0];
		break;
	}
	return 0;
}
