/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/resident.h"

uint64_t rdx_resident_bytes(uint32_t capacity)
{
	return capacity * (uint64_t)sizeof(uint32_t);
}

void rdx_resident_init(struct rdx_resident *resident, void *memory, uint32_t capacity)
{
	*resident = (struct rdx_resident){.given = memory, .capacity = capacity};
}
