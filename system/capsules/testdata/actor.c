/*
 * actor is a server for tests: it does what a message's first word says, with
 * the capability named by the second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phi.h"

#ifndef VERSION
#define VERSION "one"
#endif

static uint64_t served, noted, sum;

static phi_status use(phi_msg *m, const char *name, int call) {
	phi_cap found;
	phi_status status = phi_named(name, &found);
	if (status) return status;
	phi_msg_clear(m);
	phi_msg_set_text(m, "note 1");
	return call ? phi_ipc_call(found, m) : phi_ipc_send(found, m);
}

static phi_status serve(phi_msg *m) {
	char text[513];
	memcpy(text, m->data, m->length);
	text[m->length] = 0;
	char *name = strchr(text, ' ');
	if (name) *name++ = 0;
	served++;
	if (!strcmp(text, "trap")) abort();
	if (!strcmp(text, "exit")) exit(3);
	if (!strcmp(text, "spin")) for (;;) __asm__ volatile("");
	if (!strcmp(text, "call")) return use(m, name, 1);
	if (!strcmp(text, "send")) return use(m, name, 0);
	if (!strcmp(text, "named")) {
		phi_cap found;
		return phi_named(name, &found);
	}
	if (!strcmp(text, "infer")) {
		phi_cap found;
		phi_status status = phi_named(name, &found);
		if (status) return status;
		phi_msg_clear(m);
		phi_msg_set_text(m, "Once upon a time");
		m->words[3] = 8;
		return phi_ai_infer(found, m);
	}
	if (!strcmp(text, "read")) {
		phi_cap found;
		uint8_t byte;
		phi_status status = phi_named(name, &found);
		return status ? status : phi_mem_read(found, 0, &byte, 1);
	}
	if (!strcmp(text, "write")) {
		phi_cap found;
		uint8_t byte = 1;
		phi_status status = phi_named(name, &found);
		return status ? status : phi_mem_write(found, 0, &byte, 1);
	}
	if (!strcmp(text, "print")) {
		puts(name);
		fflush(stdout);
	}
	if (!strcmp(text, "note")) {
		noted++;
		sum += atoi(name);
	}
	phi_msg_clear(m);
	m->words[0] = served;
	m->words[1] = noted;
	m->words[2] = sum;
#ifdef BAD
	return PHI_ERROR_STATE;
#endif
	return phi_msg_set_text(m, VERSION);
}

PHI_SERVE(serve)
