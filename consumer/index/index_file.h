/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index files: their names, what makes them valid, mapping them.
 */
#ifndef RDX_INDEX_FILE_H
#define RDX_INDEX_FILE_H

#include "shm/index_layout.h"
#include "shm/table.h"
#include "shm/mapping.h"
#include "shm/namespace.h"
#include <ringdex/rdx_hash.h>

#define RDX_INDEX_DIGITS 32

/* Which index, checked: texts terminated and padded with zeros. */
struct rdx_index_id {
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
	uint32_t block_tokens;
	char digits[RDX_INDEX_DIGITS + 1]; /* in names: a hash of the above and of the scheme */
};

/* `tenant` NULL: ""; block_tokens 0: 16. -EINVAL, -ENAMETOOLONG. */
int rdx_index_file_id(const char *model, const char *tenant, uint32_t block_tokens,
		      struct rdx_index_id *ret_id);

/* Names relative to the namespace, RDX_NAME_BYTES each. Temporary names belong to the one writer,
 * which overwrites what a dead one left. */
void rdx_index_file_ctl_name(const struct rdx_index_id *id, int temporary, char *ret_name);
void rdx_index_file_gen_name(const struct rdx_index_id *id, uint64_t generation, char *ret_name);
void rdx_index_file_gen_temporary(const struct rdx_index_id *id, char *ret_name);

/* Is `file` (a name within index/) a table of this index? 1 and its number. */
int rdx_index_file_is_gen(const struct rdx_index_id *id, const char *file,
			  uint64_t *ret_generation);

/* Is `file` (likewise) of any index, complete or not, or of the ranks that are in none? */
int rdx_index_file_is_any(const char *file);

/*
 * Remove from index/ every file of an index that is not among `ids`: dead writers left them. The
 * caller holds the namespace's writer lock.
 */
void rdx_index_file_remove_others(int dir_fd, const struct rdx_index_id *ids, uint32_t count);

/*
 * Map the control file of an index; `writable` is for the writer. The header is copied
 * once to ret_header and checked.
 *
 *   -ENOENT           there is none
 *   -EBADMSG, -EPROTONOSUPPORT, -EKEYREJECTED, -errno
 */
int rdx_index_file_ctl_map(struct rdx_mapping *ret_mapping, int dir_fd,
			   const struct rdx_index_id *id, const struct rdx_hash_key *key,
			   int writable, struct rdx_index_header *ret_header);

/*
 * Map table `generation` of the index whose writer is `writer_id`, read-only. -ENOENT where
 * it is gone already; -EBADMSG, -errno.
 */
int rdx_index_file_gen_map(struct rdx_mapping *ret_mapping, struct rdx_table *ret_table, int dir_fd,
			   const struct rdx_index_id *id, uint64_t generation, uint64_t writer_id);

#endif
