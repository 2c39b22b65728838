/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespace: a directory that the processes of one host share, its key, its file names.
 *
 *   N1  a file's content, then its name by rename(2) or link(2) -> open by that name, its content:
 *       an open by that name finds a complete file. The kernel's own locks order the two, so no
 *       fence of ours is needed
 */
#ifndef RDX_NAMESPACE_H
#define RDX_NAMESPACE_H

#include <ringdex/rdx_hash.h>

#define RDX_DEFAULT_DIR "/dev/shm/ringdex"

/* `dir`, or the default where it is NULL or "". */
const char *rdx_namespace_dir(const char *dir);

/* The same as a path that does not depend on the working directory, the caller's to free. -ENOMEM,
 * -errno of getcwd(3). */
int rdx_namespace_path(const char *dir, char **ret_path);

/*
 * Does the path still lead to the open directory? 0; -ENOENT: it leads nowhere; -ESTALE: to another
 * one, since the directory was made anew or something is mounted there. Otherwise -errno: it cannot be
 * told.
 */
int rdx_namespace_lost(int dir_fd, const char *path);

/*
 * Open the namespace's directory; with `create`, make it first if it is missing (mode 0755 less the
 * umask), but not its parents. Returns a descriptor that the caller closes, or -errno from mkdir(2)
 * or open(2); -EPERM of rdx_namespace_check, which `create` claims.
 */
int rdx_namespace_open(const char *dir, int create);

#define RDX_INDEXER_LOCK_NAME "indexer.lock"

/* Does a running process maintain the indexes? 0: none does. 1 also where this user may not know. */
int rdx_namespace_is_indexed(int dir_fd);

/*
 * Who may replace files in the directory `name` below `dir_fd` ("": that itself)? -EPERM where a group
 * or all users may write in it without the sticky bit; for who `claims`, makes files in it, also where
 * it is neither this user's nor root's. 0, -errno.
 */
int rdx_namespace_check(int dir_fd, const char *name, int claims);

/*
 * Read the namespace's key, making it first if there is none: link() makes two processes that both
 * come first agree. With `create` 0 a missing key is -ENOENT. -EKEYREJECTED where it is no
 * file of RDX_KEY_BYTES bytes; where it cannot be read -errno.
 */
int rdx_namespace_key(int dir_fd, int create, struct rdx_hash_key *ret_key);

/* Its RDX_KEY_BYTES bytes; and the key file made of them, if there is none. 0, -errno. */
int rdx_namespace_key_bytes(int dir_fd, int create, uint8_t *ret_bytes);
int rdx_namespace_restore_key(int dir_fd, const uint8_t *bytes);

/*
 * Make a small file whole or not at all: written without a name, given its name by link(), so that
 * two processes that both come first agree on one content. Only where the file system has no files
 * without names it is made under a temporary one, which a process that dies there leaves.
 * `prefix` is "" or "<worker_id>/". 0 also where the file was there already.
 */
int rdx_namespace_make_file(int dir_fd, const char *prefix, const char *name, const void *bytes,
			    uint32_t count, uint32_t file_mode);

/* `count` random bytes. -errno of getrandom(2). */
int rdx_namespace_random(void *ret_bytes, uint32_t count);

/* A random 64-bit id, never 0. */
int rdx_namespace_random_id(uint64_t *ret_id);

/* Is this a worker id or dp_rank, decimal and without leading zeros? 1 and the value. */
int rdx_namespace_number(const char *text, uint64_t max, uint64_t *ret_value);

/* Is `name` "<dp_rank>.seg"? 1 and the rank. */
int rdx_namespace_segment_name(const char *name, uint32_t *ret_dp_rank);

/* Is it any file of a rank: its segment, complete or not, or its lock file? 1 and the rank. */
int rdx_namespace_rank_name(const char *name, uint32_t *ret_dp_rank);

/* Is it what rdx_namespace_make_file writes before it has its name? */
int rdx_namespace_is_temporary(const char *name);

/* Room for any name below, and for a temporary one in a worker's directory. */
#define RDX_NAME_BYTES 64

void rdx_namespace_worker_dir(uint64_t worker_id, char *ret_name);
void rdx_namespace_segment(uint64_t worker_id, uint32_t dp_rank, char *ret_name);
void rdx_namespace_segment_temporary(uint64_t worker_id, uint32_t dp_rank, char *ret_name);
void rdx_namespace_lock(uint64_t worker_id, uint32_t dp_rank, char *ret_name);
void rdx_namespace_clear(uint64_t worker_id, char *ret_name);

#endif
