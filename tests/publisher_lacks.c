/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/publisher_lacks.h"

#include <stdlib.h>
#include <string.h>

struct lack *lacks_find(struct lacks *lacks, const void *text, uint8_t bytes, uint8_t group)
{
	struct lack *lack = lacks->list;

	for (; lack < lacks->list + lacks->used; lack++) {
		if (lack->bytes == bytes && lack->group == group &&
		    memcmp(lack->text, text, bytes) == 0)
			return lack;
	}
	return NULL;
}

struct lack *lacks_of(struct lacks *lacks, const void *text, uint8_t bytes, uint8_t group)
{
	struct lack *lack = lacks_find(lacks, text, bytes, group);

	if (lack)
		return lack;
	lack = &lacks->list[lacks->used];
	if (lacks->used++ == LACKS)
		abort();
	*lack = (struct lack){.bytes = bytes, .group = group};
	memcpy(lack->text, text, bytes);
	return lack;
}

void lacks_add(struct lacks *lacks, struct lack *lack, uint8_t tier, uint32_t copies, int doubted)
{
	if (!lack->is[tier] && lacks->max && lacks->counts[tier] == lacks->max) {
		lacks->flags[doubted ? RDX_INEXACT_UNKNOWN : RDX_INEXACT_LACKING] |=
			(uint8_t)(1 << tier);
		return;
	}
	lacks->counts[tier] += !lack->is[tier];
	lack->is[tier] = 1;
	lack->copies[tier] += copies;
	lacks->doubted += doubted && !lack->doubted[tier];
	lack->doubted[tier] |= doubted != 0;
}

void lacks_end(struct lacks *lacks, struct lack *lack, uint8_t tier)
{
	lacks->counts[tier] -= lack->is[tier];
	lacks->doubted -= lack->doubted[tier];
	lack->is[tier] = lack->doubted[tier] = 0;
	lack->copies[tier] = 0;
}

void lacks_clear(struct lacks *lacks, uint8_t scope)
{
	for (uint8_t tier = 0; tier < LACKS_TIERS; tier++) {
		if (scope != RDX_SCOPE_ALL && scope != tier)
			continue;
		lacks->flags[RDX_INEXACT_LACKING] &= (uint8_t) ~(1 << tier);
		lacks->flags[RDX_INEXACT_UNKNOWN] &= (uint8_t) ~(1 << tier);
		for (uint32_t i = 0; i < lacks->used; i++)
			lacks_end(lacks, &lacks->list[i], tier);
	}
}

uint32_t lacks_count(const struct lacks *lacks)
{
	uint32_t count = 0;

	for (uint8_t tier = 0; tier < LACKS_TIERS; tier++)
		count += lacks->counts[tier];
	return count;
}

int lacks_in(const struct lacks *lacks, uint8_t tier)
{
	return lacks->counts[tier] ||
	       (lacks->flags[RDX_INEXACT_LACKING] | lacks->flags[RDX_INEXACT_UNKNOWN]) >> tier & 1;
}

uint8_t lacks_state(const struct lacks *lacks)
{
	if (lacks->doubted || lacks->flags[RDX_INEXACT_UNKNOWN])
		return RDX_INEXACT_UNKNOWN;
	return lacks_count(lacks) || lacks->flags[RDX_INEXACT_LACKING] ? RDX_INEXACT_LACKING : 0;
}
