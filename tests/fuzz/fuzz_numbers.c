/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a request of ringdex-query as numbers, one line of them. What is read is not above what
 * may be; what is not read is refused with a message of one line.
 *
 * The first byte says what the greatest number is; the others are the line.
 */
#include "tests/fuzz/refusal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/rig.h"
#include "tools/query/request.h"

#include <string.h>

#define NUMBERS_MAX 6

static struct request request;

void fuzz_setup(void)
{
}

void fuzz_fresh(void)
{
	request_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const uint64_t greatest[] = {UINT64_MAX, UINT32_MAX, 255, 0};
	struct json_line_fault fault;
	uint64_t max;
	int r;

	if (count == 0)
		return 0;
	max = greatest[bytes[0] & 3];
	fault.text[0] = 0;
	r = request_read(&request, fuzz_text(bytes + 1, count - 1), max, &fault);
	FUZZ_CHECK(r <= 1);
	refusal_check(r, &fault);
	for (uint64_t i = 0; r == 1 && i < request.count; i++)
		FUZZ_CHECK(request.numbers[i] <= max);
	return 0;
}

/* An array, or numbers between blanks or commas. */
size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	static const char *const numbers[] = {"0",
					      "1",
					      "-1",
					      "255",
					      "256",
					      "071",
					      "4294967295",
					      "4294967296",
					      "1e3",
					      "2.5",
					      "null",
					      "\"0xff\"",
					      "\"12\"",
					      "\"\"",
					      "[1]",
					      "18446744073709551615",
					      "-9223372036854775808",
					      "18446744073709551616"};
	static const char *const betweens[] = {",", ", ", " ", "\t", ",,", ""};
	uint64_t random = number;
	uint32_t form = (uint32_t)(rig_random(&random) >> 32);
	const char *between = betweens[form % 6];
	int is_array = form & 64;
	size_t at = 1;

	ret_bytes[0] = (uint8_t)(form >> 7);
	ret_bytes[at] = 0;
	if (is_array)
		strcpy((char *)ret_bytes + at++, "[");
	for (uint64_t i = (form >> 10) % NUMBERS_MAX; i > 0; i--) {
		const char *text = numbers[(rig_random(&random) >> 32) % 18];

		FUZZ_CHECK(at + strlen(text) + strlen(between) + 2 < capacity);
		strcpy((char *)ret_bytes + at, text);
		strcat((char *)ret_bytes + at, i > 1 ? (is_array ? "," : between) : "");
		at += strlen((char *)ret_bytes + at);
	}
	if (is_array)
		ret_bytes[at++] = ']';
	return at;
}
