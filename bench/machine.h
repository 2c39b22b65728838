/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a figure depends on: the machine, its state, the compiler, the revision.
 */
#ifndef RDX_BENCH_MACHINE_H
#define RDX_BENCH_MACHINE_H

struct json_object;

/* A new object; nothing in it names the host. The revision is $RDX_BENCH_REVISION. */
struct json_object *machine_facts(void);

#endif
