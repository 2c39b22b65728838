/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of a publisher's nodes between calls, found by counting all of them.
 */
#ifndef RDX_TESTS_PUBLISHER_TREE_H
#define RDX_TESTS_PUBLISHER_TREE_H

#include "producer/lineage.h"
#include "producer/names.h"

/* NULL, or what is broken. */
const char *publisher_tree_check(const struct rdx_lineage *lineage, const struct rdx_names *names);

/* Nodes that may be taken for something new. */
uint32_t publisher_tree_takeable(const struct rdx_lineage *lineage);

#endif
