/*
 * crunch is a command that computes and prints: how many primes there are
 * below a number, the trace of a matrix multiplied by itself, and a checksum.
 * Benchmarks run it to see what a program costs that only computes.
 *
 *     crunch [ROUNDS]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { sieve_bytes = 1 << 20, matrix = 96, rounds_max = 1000 };

static uint8_t composite[sieve_bytes];
static double a[matrix][matrix], b[matrix][matrix];

static uint32_t primes(void) {
	uint32_t n = 0;
	for (uint32_t i = 0; i < sieve_bytes; i++) composite[i] = 0;
	for (uint32_t i = 2; i < sieve_bytes; i++) {
		if (composite[i]) continue;
		n++;
		for (uint32_t j = 2 * i; j < sieve_bytes; j += i) composite[j] = 1;
	}
	return n;
}

static double trace(void) {
	double t = 0;
	for (int i = 0; i < matrix; i++)
		for (int j = 0; j < matrix; j++) a[i][j] = (i + 2 * j) % 7, b[i][j] = 0;
	for (int i = 0; i < matrix; i++)
		for (int k = 0; k < matrix; k++)
			for (int j = 0; j < matrix; j++) b[i][j] += a[i][k] * a[k][j];
	for (int i = 0; i < matrix; i++) t += b[i][i];
	return t;
}

/* checksum is FNV-1a over the sieve. */
static uint32_t checksum(void) {
	uint32_t h = 2166136261u;
	for (uint32_t i = 0; i < sieve_bytes; i++) h = (h ^ composite[i]) * 16777619u;
	return h;
}

int main(int argc, char **argv) {
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	if (rounds < 1 || rounds > rounds_max) {
		fprintf(stderr, "crunch: rounds are 1 to %d, not %s\n", rounds_max, argv[1]);
		return 2;
	}
	uint32_t n = 0, sum = 0;
	double t = 0;
	for (long i = 0; i < rounds; i++) {
		n = primes();
		t = trace();
		sum ^= checksum() + (uint32_t)i;
	}
	printf("primes %u trace %.0f checksum %08x\n", n, t, sum);
	return 0;
}
