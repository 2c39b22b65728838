/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: every input of a fuzz target's made corpus, and each that once found a fault, as a
 * normal test, each as if it were the first one; then the corpus again, while another thread changes
 * the words.
 *
 *   replay_<target> [REGRESSIONS]   REGRESSIONS: lines of hexadecimal digits, # before remarks
 *   replay_<target> --write FOLDER  write all of them as files, for libFuzzer
 *   replay_<target> --file FILE...  run these
 */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS     192
#define INPUT_MAX 4096

/* Gets each input; `name` is for people. */
typedef void (*input_function)(void *context, const char *name, const uint8_t *bytes, size_t count);

static void run(void *context, const char *name, const uint8_t *bytes, size_t count)
{
	/* of its own, so that a byte too far is seen */
	uint8_t *copy = malloc(count ? count : 1);

	(void)context;
	(void)name;
	FUZZ_CHECK(copy);
	memcpy(copy, bytes, count);
	LLVMFuzzerTestOneInput(copy, count);
	free(copy);
}

static void run_fresh(void *context, const char *name, const uint8_t *bytes, size_t count)
{
	fuzz_fresh();
	run(context, name, bytes, count);
}

static void write_input(void *context, const char *name, const uint8_t *bytes, size_t count)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
	file = fopen(path, "w");
	FUZZ_CHECK(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
}

static void each_seed(input_function function, void *context)
{
	uint8_t bytes[INPUT_MAX];
	char name[32];

	for (uint64_t number = 0; number < SEEDS; number++) {
		size_t count = fuzz_seed(number, bytes, sizeof(bytes));

		snprintf(name, sizeof(name), "seed-%03u", (unsigned)number);
		function(context, name, bytes, count);
	}
}

static size_t from_digits(const char *text, uint8_t *ret_bytes)
{
	size_t count = 0;
	unsigned byte;

	while (count < INPUT_MAX && isxdigit((unsigned char)text[0]) &&
	       sscanf(text, "%2x", &byte) == 1) {
		ret_bytes[count++] = (uint8_t)byte;
		text += 2;
	}
	return count;
}

static int each_regression(const char *path, input_function function, void *context)
{
	static char line[2 * INPUT_MAX + 2];
	uint8_t bytes[INPUT_MAX];
	FILE *file = fopen(path, "r");
	char name[32];
	int number = 0;

	while (file && fgets(line, sizeof(line), file)) {
		size_t count = from_digits(line, bytes);

		snprintf(name, sizeof(name), "regression-%03d", ++number);
		if (count)
			function(context, name, bytes, count);
	}
	return file ? fclose(file) : 0;
}

static int run_file(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(path, "r");
	size_t count;

	if (!file) {
		perror(path);
		return 1;
	}
	count = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	run_fresh(NULL, path, bytes, count);
	return 0;
}

int main(int argc, char **argv)
{
	const char *regressions = argc == 2 ? argv[1] : NULL;
	int r = 0;

	if (argc == 3 && strcmp(argv[1], "--write") == 0) {
		each_seed(write_input, argv[2]);
		return 0;
	}
	fuzz_setup();
	if (argc > 2 && strcmp(argv[1], "--file") == 0) {
		for (int i = 2; i < argc && r == 0; i++)
			r = run_file(argv[i]);
		return r;
	}
	if (regressions)
		each_regression(regressions, run_fresh, NULL);
	each_seed(run_fresh, NULL);
	fuzz_changing_start();
	each_seed(run, NULL);
	return 0;
}
