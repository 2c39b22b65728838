/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of a request's target: what stands behind the "?", as forms encode it.
 */
#ifndef RINGDEXD_PARAMETER_H
#define RINGDEXD_PARAMETER_H

#include <ringdex/rdx_types.h>
#include <stddef.h>
#include <stdint.h>

#define PARAMETER_NAME_BYTES 64

/* One that is asked for. */
struct parameter {
	const char *name; /* the caller's */
	char value
		[RDX_TEXT_BYTES]; /* decoded; a % without two digits behind it stands for itself */
	uint8_t is_there;
	uint8_t is_whole;   /* it fits, and has no NUL */
	uint8_t is_encoded; /* behind each % are two digits */
};

/* Read those of the list, whatever else there is. 0; -EEXIST: *ret_twice is there twice. */
int parameter_read(const char *query, struct parameter *list, size_t count,
		   const struct parameter **ret_twice);

/* The first that is none of `names`, which end with a NULL: 1, and its name, which may be cut; 0: there is none. */
int parameter_unknown(const char *query, const char *const *names,
		      char ret_name[PARAMETER_NAME_BYTES]);

#endif
