/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the ranks that an indexer does not follow. It gets its name when it is whole, and is never
 * changed then.
 */
#ifndef RDX_REFUSED_FILE_H
#define RDX_REFUSED_FILE_H

#include <assert.h>
#include <stdint.h>

#define RDX_REFUSED_NAME      "index/refused"
#define RDX_REFUSED_TEMPORARY "index/.tmp-refused"

#define RDX_REFUSED_MAGIC UINT64_C(0x3164736665727872) /* "rxrefsd1" */
#define RDX_REFUSED_MAX   256

struct rdx_refused_row {
	uint64_t worker_id;
	uint32_t dp_rank;
	int32_t cause; /* -errno */
};
static_assert(sizeof(struct rdx_refused_row) == 16, "layout");

/* The file ends behind the last row. */
struct rdx_refused_file {
	uint64_t magic;
	uint32_t count; /* of rows */
	uint32_t more;  /* ranks for which there was no row */
	struct rdx_refused_row row[RDX_REFUSED_MAX];
};

#endif
