/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/draft.h"

#include "tests/fuzz/fuzz.h"
#include "tests/rig.h"

#include <stdarg.h>
#include <stdio.h>

#define NUMBERS_MAX 6
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *const values[] = {
	"null",
	"true",
	"false",
	"0",
	"-0",
	"1",
	"7.0",
	"0.5",
	"-1e3",
	"1e400",
	"01",
	"1.",
	"nul",
	"4294967295",
	"4294967296",
	"9007199254740993.0",
	"9223372036854775808",
	"18446744073709551615",
	"18446744073709551616",
	"-9223372036854775808",
	"-9223372036854775809",
	"\"\"",
	"\"a\"",
	"\"exact\"",
	"\"tcp://h:1\"",
	"\"\\u0000\"",
	"\"\\ud83d\\ude00\"",
	"\"\\ud800\"",
	"\"\\x\"",
	"\"\\\\ud800\"",
	"\"\xc3\xa9\"",
	"\"\xff\"",
	"[]",
	"{}",
	"[1,]",
	"[[\"image\",3],null]",
	"{\"a\":[{\"\\udc00\":-0}]}",
};

uint32_t draft_roll(struct draft *draft, uint32_t sides)
{
	return (uint32_t)(rig_random(&draft->random) >> 32) % sides;
}

void draft_put(struct draft *draft, const char *format, ...)
{
	va_list arguments;
	int bytes;

	va_start(arguments, format);
	bytes = vsnprintf(draft->at, draft->left, format, arguments);
	va_end(arguments);
	FUZZ_CHECK(bytes >= 0 && (size_t)bytes < draft->left);
	draft->at += bytes;
	draft->left -= (size_t)bytes;
}

void draft_put_value(struct draft *draft)
{
	draft_put(draft, "%s", values[draft_roll(draft, COUNT(values))]);
}

void draft_put_numbers(struct draft *draft)
{
	static const char *const numbers[] = {"0",  "1",  "7",    "4294967295",
					      "-5", "-0", "12.0", "18446744073709551615"};
	uint32_t count = draft_roll(draft, NUMBERS_MAX);

	draft_put(draft, "[");
	for (uint32_t i = 0; i < count; i++) {
		draft_put(draft, i ? "," : "");
		if (draft_roll(draft, 16))
			draft_put(draft, "%s",
				  numbers[draft_roll(draft,
						     draft_roll(draft, 2) ? 4 : COUNT(numbers))]);
		else
			draft_put_value(draft);
	}
	draft_put(draft, "]");
}
