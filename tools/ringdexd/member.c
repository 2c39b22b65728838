/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/member.h"

#include <ringdex/rdx_reader.h>

static int is_first(const struct answer *answer)
{
	size_t count = answer_body_bytes(answer);

	return count && answer_body(answer)[count - 1] == '{';
}

void member_begin(struct answer *answer, const char *name)
{
	answer_text(answer, is_first(answer) ? "\"" : ",\"");
	answer_text(answer, name);
	answer_text(answer, "\":");
}

void member_number(struct answer *answer, const char *name, uint64_t number)
{
	member_begin(answer, name);
	answer_number(answer, number);
}

void member_text(struct answer *answer, const char *name, const char *text)
{
	member_begin(answer, name);
	if (text)
		answer_json_text(answer, text);
	else
		answer_text(answer, "null");
}

void member_if(struct answer *answer, const char *name, int is_known, uint64_t number)
{
	member_begin(answer, name);
	if (is_known)
		answer_number(answer, number);
	else
		answer_text(answer, "null");
}

void member_age(struct answer *answer, const char *name, uint64_t age_ns)
{
	member_if(answer, name, age_ns != UINT64_MAX, age_ns);
}

void member_tiers(struct answer *answer, const char *name, const uint64_t blocks[RDX_TIER_COUNT])
{
	member_begin(answer, name);
	answer_text(answer, "{");
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		member_number(answer, rdx_tier_text(tier), blocks[tier]);
	answer_text(answer, "}");
}

void member_recoveries(struct answer *answer, const char *name, const uint64_t *recoveries)
{
	member_begin(answer, name);
	answer_text(answer, "{");
	member_number(answer, "continue", recoveries[RDX_RECOVERED_CONTINUE]);
	member_number(answer, "barrier", recoveries[RDX_RECOVERED_BARRIER]);
	member_number(answer, "ledger", recoveries[RDX_RECOVERED_LEDGER]);
	answer_text(answer, "}");
}
