/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: the extension as it is, but for the translator. What an engine's batch costs to be read,
 * object by object, when nothing of it is published.
 */
#include <ringdex/rdx_engine.h>

int __wrap_rdx_engine_publish(struct rdx_engine *engine, const struct rdx_engine_event *event);

int __wrap_rdx_engine_publish(struct rdx_engine *engine, const struct rdx_engine_event *event)
{
	__asm__ __volatile__("" ::"r"(event) : "memory"); /* what was read is used */
	(void)engine;
	return 0;
}
