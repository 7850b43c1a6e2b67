/* A command that asks a model through WASI-NN, as a program would that knows
 * nothing of this system: the model that was granted as "default". Its argument
 * is the prompt. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NN(name) __attribute__((import_module("wasi_ephemeral_nn"), import_name(name)))

typedef struct {
	const uint32_t *dimensions;
	uint32_t dimension_count;
	uint8_t type;
	const void *data;
	uint32_t size;
} tensor;

NN("load_by_name") uint32_t load_by_name(const char *name, uint32_t length, uint32_t *graph);
NN("init_execution_context") uint32_t init_context(uint32_t graph, uint32_t *context);
NN("set_input") uint32_t set_input(uint32_t context, uint32_t index, const tensor *t);
NN("compute") uint32_t compute(uint32_t context);
NN("compute_single") uint32_t compute_single(uint32_t context);
NN("get_output") uint32_t get_output(uint32_t context, uint32_t index, void *to, uint32_t room, uint32_t *written);
NN("get_output_single") uint32_t get_output_single(uint32_t context, uint32_t index, void *to, uint32_t room, uint32_t *written);
NN("fini_single") uint32_t fini_single(uint32_t context);
NN("unload") uint32_t unload(uint32_t graph);

#define END_OF_SEQUENCE 100
#define U8 2

static uint32_t input(uint32_t context, uint32_t index, const char *text) {
	uint32_t size = strlen(text);
	tensor t = {&size, 1, U8, text, size};
	return set_input(context, index, &t);
}

/* fail says which step failed, and with what. */
static int fail(const char *step, uint32_t errno_) {
	fprintf(stderr, "%s: %u\n", step, errno_);
	return 1;
}

int main(int count, char **arguments) {
	static char text[16384], again[16384], metadata[256];
	uint32_t graph, context, n, m = 0, e;
	if (count != 2) return 2;
	if ((e = load_by_name("default", 7, &graph))) return fail("load", e);
	if ((e = init_context(graph, &context))) return fail("context", e);
	if ((e = input(context, 0, arguments[1]))) return fail("prompt", e);
	if ((e = input(context, 1, "{\"n-predict\": 40, \"n-gpu-layers\": 100}"))) return fail("options", e);
	if ((e = compute(context))) return fail("compute", e);
	if ((e = get_output(context, 0, text, sizeof text, &n))) return fail("output", e);
	if ((e = get_output(context, 1, metadata, sizeof metadata - 1, &m))) return fail("metadata", e);
	metadata[m] = 0;
	/* Piece by piece it is the same. */
	m = 0;
	while (!(e = compute_single(context))) {
		uint32_t piece;
		if ((e = get_output_single(context, 0, again + m, sizeof again - m, &piece))) return fail("piece", e);
		m += piece;
	}
	if (e != END_OF_SEQUENCE) return fail("compute_single", e);
	if (m != n || memcmp(text, again, n)) return fail("compare", m);
	if ((e = fini_single(context))) return fail("fini", e);
	if ((e = unload(graph))) return fail("unload", e);
	fwrite(text, 1, n, stdout);
	printf("\n%s\n", metadata);
	return 0;
}
