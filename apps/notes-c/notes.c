/*
 * notes-c is a server that keeps small notes in its own memory: "add TEXT",
 * "get NUMBER", "count" and "clear". It imports nothing that it was not
 * granted, and was granted nothing.
 */
#include <string.h>

#include "phi.h"

enum { notes_max = 64, note_bytes_max = 256 };

static struct {
	char text[note_bytes_max];
	uint16_t length;
} notes[notes_max];

static uint32_t count;

/* rest returns what follows a word and a space, or NULL. */
static const uint8_t *rest(const phi_msg *m, const char *word, size_t *length) {
	size_t n = strlen(word);
	if (m->length <= n || memcmp(m->data, word, n) != 0 || m->data[n] != ' ') return NULL;
	*length = m->length - n - 1;
	return m->data + n + 1;
}

/* number reads a decimal number; what is none or too great becomes notes_max. */
static uint32_t number(const uint8_t *text, size_t length) {
	uint32_t n = 0;
	if (length == 0) return notes_max;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9' || n >= notes_max) return notes_max;
		n = 10 * n + (text[i] - '0');
	}
	return n;
}

/* answer leaves a number in word 0 and its text in the data. */
static phi_status answer(phi_msg *m, uint32_t n) {
	char digits[10];
	size_t at = sizeof digits;
	m->words[0] = n;
	do digits[--at] = (char)('0' + n % 10); while (n /= 10);
	return phi_msg_set(m, digits + at, sizeof digits - at);
}

static phi_status serve(phi_msg *m) {
	size_t length;
	const uint8_t *text;
	/* Read the request before the message is cleared for the answer. */
	if ((text = rest(m, "add", &length))) {
		if (length > note_bytes_max) return PHI_ERROR_RANGE;
		if (count == notes_max) return PHI_ERROR_LIMIT;
		memcpy(notes[count].text, text, length);
		notes[count].length = (uint16_t)length;
		phi_msg_clear(m);
		return answer(m, count++);
	}
	if ((text = rest(m, "get", &length))) {
		uint32_t n = number(text, length);
		if (n >= count) return PHI_ERROR_RANGE;
		phi_msg_clear(m);
		return phi_msg_set(m, notes[n].text, notes[n].length);
	}
	if (phi_msg_is(m, "clear")) {
		count = 0;
	} else if (!phi_msg_is(m, "count")) {
		return PHI_ERROR_BAD_ARGUMENT;
	}
	phi_msg_clear(m);
	return answer(m, count);
}

PHI_SERVE(serve)
