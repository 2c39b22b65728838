/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as engines are given them: of rank 0, and the others' from it.
 */
#ifndef BRIDGE_ENDPOINT_H
#define BRIDGE_ENDPOINT_H

#include <stdint.h>

#define ENDPOINT_BYTES 256

/* What is wrong with an address of `ranks` ranks from `first_rank` on, in words; NULL: nothing. `is_own`:
 * the bridge listens there, so * is one. */
const char *endpoint_fault(const char *endpoint, uint32_t first_rank, uint32_t ranks, int is_own);

/* The address of a rank: its port is as much above as its number. ipc:// has no ports: the address
 * itself. Of an address without fault. */
void endpoint_of_rank(const char *endpoint, uint32_t dp_rank, char *ret_endpoint);

#endif
