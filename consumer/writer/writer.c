/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/writer.h"
#include "consumer/writer/columns.h"
#include "consumer/writer/grow.h"
#include "consumer/writer/retire.h"
#include "shm/file.h"
#include "shm/guard.h"
#include "shm/shared_clock.h"
#include "shm/words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INITIAL_BLOCKS 4096 /* made at once; one for what ranks declare in steps */
#define STALE_AFTER_NS UINT64_C(250000000)
#define FILE_MODE      0640
#define DIRECTORY_MODE 0755
#define NS_PER_S       UINT64_C(1000000000)

/* The current table, or one that readers may have mapped ahead. */
static int is_own(struct rdx_index_writer *w, uint64_t generation)
{
	return generation == rdx_writer_table(w)->generation ||
	       (w->stage == RDX_GROW_COPY && generation == rdx_writer_next(w)->generation);
}

/* For every table of this index in the directory but the writer's own: the greatest number, and
 * removal if `remove`. 0, -errno. */
static int old_tables(struct rdx_index_writer *w, int remove, uint64_t *ret_greatest)
{
	int fd = openat(w->dir_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t number, greatest = 0;
	struct dirent *entry;
	int r;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((r = rdx_file_entry(dir, &entry)) > 0) {
		if (!rdx_index_file_is_gen(&w->id, entry->d_name, &number) || is_own(w, number))
			continue;
		greatest = number > greatest ? number : greatest;
		if (remove)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	if (r == 0)
		*ret_greatest = greatest;
	return r;
}

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int create_ctl(struct rdx_index_writer *w, const struct rdx_hash_key *key,
		      uint64_t stale_after_ns)
{
	struct rdx_index_header header = {
		.magic = RDX_INDEX_MAGIC,
		.format_version = RDX_INDEX_VERSION,
		.header_bytes = sizeof(header),
		.layout_fingerprint = RDX_INDEX_FINGERPRINT,
		.key_fingerprint = key->fingerprint,
		.hash_scheme = RDX_HASH_SCHEME,
		.block_tokens = w->id.block_tokens,
		.file_bytes = sizeof(struct rdx_index_ctl),
		.stale_after_ns = stale_after_ns ? stale_after_ns : STALE_AFTER_NS,
		.created_ns = realtime_ns(),
	};
	char name[RDX_NAME_BYTES];
	int r = rdx_namespace_random_id(&w->writer_id);

	if (r < 0)
		return r;
	header.writer_id = w->writer_id;
	memcpy(header.model, w->id.model, RDX_TEXT_BYTES);
	memcpy(header.tenant, w->id.tenant, RDX_TEXT_BYTES);
	rdx_index_file_ctl_name(&w->id, 1, name);
	r = rdx_mapping_create(&w->ctl, w->dir_fd, name, sizeof(struct rdx_index_ctl),
			       w->file_mode);
	if (r == 0)
		r = rdx_file_inode(w->ctl.fd, &header.inode);
	if (r < 0)
		return r;
	r = rdx_guard_add_to(&w->ctl, w);
	if (r < 0)
		return r; /* where a table is cut, what is written to this file must not arrive */
	memcpy(w->ctl.base, &header, sizeof(header)); /* nobody sees the file before its name */
	rdx_word_store(&rdx_index_end_of(w->ctl.base, w->ctl.bytes)->writer_id, w->writer_id);
	w->live = &((struct rdx_index_ctl *)w->ctl.base)->live;
	return 0;
}

static int build(struct rdx_index_writer *w, const struct rdx_hash_key *key,
		 const struct rdx_writer_options *o)
{
	uint64_t greatest;
	int r;

	if (mkdirat(w->dir_fd, "index", DIRECTORY_MODE) < 0 && errno != EEXIST)
		return -errno;
	r = old_tables(w, 0, &greatest);
	if (r == 0)
		r = create_ctl(w, key, o->stale_after_ns);
	if (r < 0)
		return r;
	w->last_generation = greatest;
	return rdx_grow_first(w, o->initial_blocks ? o->initial_blocks : INITIAL_BLOCKS);
}

int rdx_writer_open(struct rdx_index_writer **ret_writer, int dir_fd,
		    const struct rdx_hash_key *key, const char *model, const char *tenant,
		    uint32_t block_tokens, const struct rdx_writer_options *options)
{
	struct rdx_writer_options o = options ? *options : (struct rdx_writer_options){0};
	struct rdx_index_writer *w;
	int r;

	if (o.file_mode & (S_IWGRP | S_IWOTH))
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->ctl.fd = w->tables[0].mapping.fd = w->tables[1].mapping.fd = -1;
	rdx_columns_open(w);
	w->file_mode = o.file_mode ? o.file_mode : FILE_MODE;
	w->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	r = w->dir_fd < 0 ? -errno : rdx_index_file_id(model, tenant, block_tokens, &w->id);
	if (r == 0)
		r = build(w, key, &o);
	if (r < 0) {
		rdx_writer_close(w);
		return r;
	}
	*ret_writer = w;
	return 0;
}

int rdx_writer_has_name(const struct rdx_index_writer *w, const struct rdx_index_id *id)
{
	return strcmp(w->id.digits, id->digits) == 0;
}

int rdx_writer_ready(struct rdx_index_writer *w)
{
	const struct rdx_index_header *own = w->ctl.base;
	struct rdx_hash_key key = {.fingerprint = own->key_fingerprint};
	struct rdx_mapping old = {.fd = -1};
	struct rdx_index_header header;
	char temporary[RDX_NAME_BYTES], name[RDX_NAME_BYTES];
	uint64_t greatest;
	int r = 0;

	if (rdx_writer_poisoned(w))
		return -EBADMSG;
	/* if it cannot be opened, its readers will see its heartbeat stop */
	(void)rdx_index_file_ctl_map(&old, w->dir_fd, &w->id, &key, 1, &header);
	rdx_index_file_ctl_name(&w->id, 1, temporary);
	rdx_index_file_ctl_name(&w->id, 0, name);
	/* N1, with rdx_index_file_ctl_map */
	if (renameat(w->dir_fd, temporary, w->dir_fd, name) < 0)
		r = -errno;
	RDX_HOOK(RDX_HOOK_INDEX_RENAMED);
	if (r == 0) {
		w->ready = 1;
		if (old.base)
			rdx_generation_supersede(&((struct rdx_index_ctl *)old.base)->live);
		(void)old_tables(w, 1, &greatest);
	}
	rdx_mapping_close(&old);
	return r;
}

int rdx_writer_is_named(struct rdx_index_writer *w)
{
	char name[RDX_NAME_BYTES];
	int r;

	rdx_index_file_ctl_name(&w->id, !w->ready, name);
	r = rdx_file_is_named(w->ctl.fd, w->dir_fd, name);
	if (r <= 0)
		return r;
	rdx_index_file_gen_name(&w->id, rdx_writer_table(w)->generation, name);
	return rdx_file_is_named(rdx_writer_table(w)->mapping.fd, w->dir_fd, name);
}

int rdx_writer_poisoned(const struct rdx_index_writer *w)
{
	return rdx_mapping_poisoned(&w->ctl) || rdx_mapping_poisoned(&w->tables[0].mapping) ||
	       rdx_mapping_poisoned(&w->tables[1].mapping);
}

void rdx_writer_yield(struct rdx_index_writer *w)
{
	w->ready = 1;
	rdx_generation_supersede(w->live); /* our mark, so that nothing here touches the names */
}

void rdx_writer_close(struct rdx_index_writer *w)
{
	char name[RDX_NAME_BYTES];

	if (!w)
		return;
	rdx_grow_close(w);
	rdx_retire_finish(w);
	if (!w->ready && w->ctl.base) {
		rdx_index_file_ctl_name(&w->id, 1, name);
		rdx_file_remove_own(w->ctl.fd, w->dir_fd, name);
	}
	rdx_guard_remove(&w->ctl);
	rdx_mapping_close(&w->ctl);
	if (w->dir_fd >= 0)
		close(w->dir_fd);
	free(w);
}

void rdx_writer_heartbeat(struct rdx_index_writer *w, uint64_t now_ns)
{
	rdx_word_store(&w->live->heartbeat_ns, rdx_shared_clock_from(now_ns));
	w->beat_ns = now_ns;
	rdx_retire_ask(w, now_ns);
}

int rdx_writer_step(struct rdx_index_writer *w)
{
	/* of cut files, too: what is in memory is nobody else's then, and who has to do with names or
	 * with the bytes of a file asks itself */
	int more = rdx_retire_step(w);

	more |= rdx_columns_sweep(w);
	return more | rdx_grow_step(w);
}

void rdx_writer_stats(const struct rdx_index_writer *w, struct rdx_writer_stats *ret_stats)
{
	const struct rdx_writer_table *current = &w->tables[w->current_table];

	*ret_stats = (struct rdx_writer_stats){
		.generations = w->generations,
		.failures = w->failures,
		.table_bytes = rdx_grow_bytes(current),
		.keys = rdx_writer_living(current),
		.slots = current->table.lines * RDX_LINE_SLOTS,
		.refused = w->refused,
		.sets = current->sets.count,
		.growing = w->stage != RDX_GROW_IDLE,
	};
}
