/* A server that does what the first word of a message says, for tests. */
#include "../../../sdk/c/phi.h"

enum { ADD, SPIN, LOAD, MAP, CALL, STORE, TRAP, WATCH, UNMAP, CALLS, SEND };

#define PAGE 4096
static __attribute__((aligned(PAGE))) unsigned char pages[16 * PAGE];
static phi_msg inner;
static uint64_t total;

static phi_status do_calls(phi_msg *m, uint64_t count) {
	for (uint64_t i = 0; i < count; i++) {
		phi_msg_clear(&inner);
		inner.length = 64;
		phi_status s = phi_ipc_call(m->words[1], &inner);
		if (s != PHI_OK) return s;
	}
	m->words[3] = inner.words[0];
	return PHI_OK;
}

static phi_status obey(phi_msg *m) {
	volatile uint64_t *at = (volatile uint64_t *)(pages + m->words[1]);
	switch (m->words[0]) {
	case ADD:
		m->words[2] = (total += m->words[1]);
		return PHI_OK;
	case SPIN:
		for (volatile uint64_t i = 0;; i++) {}
	case LOAD:
		m->words[2] = *at;
		return PHI_OK;
	case STORE:
		*at = m->words[2];
		return PHI_OK;
	case MAP:
		return phi_map(m->words[1], 0, pages, (uint32_t)m->words[2], m->words[3]);
	case UNMAP:
		return phi_unmap(pages);
	case TRAP:
		__builtin_trap();
	case WATCH: { /* reads until the first word turns zero */
		uint64_t reads = 0;
		while (*at != 0) reads++;
		m->words[2] = reads;
		return PHI_OK;
	}
	case CALL:
		return do_calls(m, 1);
	case CALLS:
		return do_calls(m, m->words[2]);
	}
	return 5;
}
PHI_SERVE(obey)
