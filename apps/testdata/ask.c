/* ask.c asks a model by each helper that phi.h has: a word says which. */
#include "phi.h"

static phi_status number(phi_msg *m, uint64_t n) {
	char digits[21];
	unsigned at = sizeof digits;
	do digits[--at] = (char)('0' + n % 10); while (n /= 10);
	phi_msg_clear(m);
	return phi_msg_set(m, digits + at, sizeof digits - at);
}

static phi_status vector(phi_msg *m, phi_cap budget) {
	static float v[512];
	phi_cap model, room;
	uint32_t width = 0;
	uint64_t address;
	float square = 0;
	phi_status status = phi_named("encoder", &model);
	if (!status) status = phi_mem_create(budget, 4096, 0, &room, &address);
	if (!status) status = phi_ai_vector(model, "a dog barks", room, v, 512, &width);
	if (status) return status;
	for (uint32_t i = 0; i < width; i++) square += v[i] * v[i];
	return number(m, square > 0.99f && square < 1.01f ? width : 0);
}

static phi_status batch(phi_msg *m, phi_cap model) {
	uint64_t batch;
	phi_status status = phi_ai_batch(model, &batch);
	for (int i = 0; i < 2 && !status; i++) {
		phi_msg_clear(m);
		status = phi_msg_set_text(m, "Once");
		m->words[3] = PHI_AI_BATCH | batch | 3;
		if (!status) status = phi_ai_infer(model, m);
	}
	if (status) return status;
	phi_msg_clear(m);
	m->words[3] = batch;
	status = phi_ai_batch_end(model, m);
	return status ? status : number(m, m->words[1] >= 2 * 16);
}

static phi_status handle(phi_msg *m) {
	static char text[256];
	phi_cap model, budget, region;
	uint64_t bytes;
	uint32_t reason;
	phi_status status = phi_named("llm", &model);
	if (!status) status = phi_named("budget", &budget);
	if (status) return status;
	if (phi_msg_is(m, "embed")) return vector(m, budget);
	if (phi_msg_is(m, "batch")) return batch(m, model);
	if (phi_msg_is(m, "map")) {
		status = phi_ai_map(model, &region, &bytes);
		return status ? status : number(m, bytes);
	}
	if (phi_msg_is(m, "device")) {
		phi_msg_clear(m);
		return phi_ai_select_device(model, m);
	}
	status = phi_ai_ask(model, "Once upon a time", 12, text, sizeof text, &reason);
	if (status) return status;
	phi_msg_clear(m);
	return phi_msg_set_text(m, text);
}

PHI_SERVE(handle)
