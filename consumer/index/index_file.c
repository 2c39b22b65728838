/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/index_file.h"
#include "consumer/index/refused_file.h"
#include "shm/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_TOKENS_DEFAULT 16
#define TEMPORARY            ".tmp-"

static int set_text(char *ret_text, const char *text)
{
	size_t length = strnlen(text, RDX_TEXT_BYTES);

	if (length == RDX_TEXT_BYTES)
		return -ENAMETOOLONG;
	memset(ret_text, 0, RDX_TEXT_BYTES);
	memcpy(ret_text, text, length);
	return 0;
}

/* In names: workers choose the texts, and know the namespace's key. A hash for which they can find two
 * texts would let one index take the files of another. The texts are padded, so that different ids
 * have different bytes. */
static void hash_id(struct rdx_index_id *id)
{
	struct {
		char texts[2][RDX_TEXT_BYTES];
		uint64_t block_tokens;
		uint64_t scheme;
	} named = {.block_tokens = id->block_tokens, .scheme = RDX_HASH_SCHEME};
	char all[SHA256_DIGEST_STRING_LENGTH];

	memcpy(named.texts[0], id->model, RDX_TEXT_BYTES);
	memcpy(named.texts[1], id->tenant, RDX_TEXT_BYTES);
	SHA256Data((const uint8_t *)&named, sizeof(named), all);
	memcpy(id->digits, all, RDX_INDEX_DIGITS);
}

int rdx_index_file_id(const char *model, const char *tenant, uint32_t block_tokens,
		      struct rdx_index_id *ret_id)
{
	struct rdx_index_id id = {
		.block_tokens = block_tokens ? block_tokens : BLOCK_TOKENS_DEFAULT,
	};
	int r;

	if (!model || id.block_tokens > RDX_BLOCK_TOKENS_MAX)
		return -EINVAL;
	r = set_text(id.model, model);
	if (r == 0)
		r = set_text(id.tenant, tenant ? tenant : "");
	if (r < 0)
		return r;
	hash_id(&id);
	*ret_id = id;
	return 0;
}

void rdx_index_file_ctl_name(const struct rdx_index_id *id, int temporary, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "index/%s%s.ctl", temporary ? TEMPORARY : "",
		 id->digits);
}

void rdx_index_file_gen_name(const struct rdx_index_id *id, uint64_t generation, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "index/%s.gen%" PRIu64, id->digits, generation);
}

void rdx_index_file_gen_temporary(const struct rdx_index_id *id, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "index/" TEMPORARY "%s.gen", id->digits);
}

int rdx_index_file_is_gen(const struct rdx_index_id *id, const char *file, uint64_t *ret_generation)
{
	char prefix[RDX_NAME_BYTES];
	size_t length;

	snprintf(prefix, sizeof(prefix), "%s.gen", id->digits);
	length = strlen(prefix);
	return strncmp(file, prefix, length) == 0 &&
	       rdx_namespace_number(file + length, UINT64_MAX, ret_generation);
}

/* Is it a file of any index, complete or not? 1 and where the hash in its name begins. */
static int is_index_file(const char *file, const char **ret_digits)
{
	int temporary = strncmp(file, TEMPORARY, strlen(TEMPORARY)) == 0;
	const char *digits = file + (temporary ? strlen(TEMPORARY) : 0);
	const char *end = digits + strspn(digits, "0123456789abcdef");
	uint64_t number;

	if (end - digits != RDX_INDEX_DIGITS)
		return 0;
	*ret_digits = digits;
	if (strcmp(end, ".ctl") == 0 || (temporary && strcmp(end, ".gen") == 0))
		return 1;
	return strncmp(end, ".gen", 4) == 0 && rdx_namespace_number(end + 4, UINT64_MAX, &number);
}

int rdx_index_file_is_any(const char *file)
{
	const char *digits, *refused = RDX_REFUSED_NAME, *temporary = RDX_REFUSED_TEMPORARY;

	return is_index_file(file, &digits) || strcmp(file, strchr(refused, '/') + 1) == 0 ||
	       strcmp(file, strchr(temporary, '/') + 1) == 0;
}

void rdx_index_file_remove_others(int dir_fd, const struct rdx_index_id *ids, uint32_t count)
{
	DIR *dir = rdx_file_open_dir(dir_fd, "index");
	struct dirent *entry;
	const char *digits;

	if (!dir)
		return;
	while (rdx_file_entry(dir, &entry) > 0) {
		uint32_t i = 0;

		if (!is_index_file(entry->d_name, &digits))
			continue;
		while (i < count && strncmp(ids[i].digits, digits, RDX_INDEX_DIGITS) != 0)
			i++;
		if (i == count)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
}

static int check_ctl(const struct rdx_index_header *header, uint64_t file_bytes,
		     const struct rdx_index_id *id, const struct rdx_hash_key *key)
{
	if (header->magic != RDX_INDEX_MAGIC)
		return -EBADMSG;
	if (header->format_version != RDX_INDEX_VERSION ||
	    (header->features_incompat & ~RDX_INDEX_INCOMPAT_KNOWN))
		return -EPROTONOSUPPORT;
	if (header->header_bytes != sizeof(*header) ||
	    header->layout_fingerprint != RDX_INDEX_FINGERPRINT ||
	    header->file_bytes != file_bytes || header->writer_id == 0)
		return -EBADMSG;
	if (header->hash_scheme != RDX_HASH_SCHEME || header->key_fingerprint != key->fingerprint)
		return -EKEYREJECTED;
	if (header->block_tokens != id->block_tokens ||
	    memcmp(header->model, id->model, RDX_TEXT_BYTES) != 0 ||
	    memcmp(header->tenant, id->tenant, RDX_TEXT_BYTES) != 0)
		return -EBADMSG;
	return 0;
}

int rdx_index_file_ctl_map(struct rdx_mapping *ret_mapping, int dir_fd,
			   const struct rdx_index_id *id, const struct rdx_hash_key *key,
			   int writable, struct rdx_index_header *ret_header)
{
	struct rdx_index_header header;
	char name[RDX_NAME_BYTES];
	uint64_t bytes, inode = 0;
	int fd, r;

	rdx_index_file_ctl_name(id, 0, name);
	fd = rdx_file_open_foreign(dir_fd, name, writable ? O_RDWR : O_RDONLY, &bytes);
	if (fd < 0)
		return fd;
	r = rdx_file_read(fd, &header, sizeof(header));
	if (r == 0)
		r = rdx_file_inode(fd, &inode);
	if (r == 0)
		r = check_ctl(&header, bytes, id, key);
	if (r == 0 && (bytes != sizeof(struct rdx_index_ctl) || header.inode != inode))
		r = -EBADMSG;
	if (r == 0)
		r = rdx_mapping_attach(ret_mapping, fd, bytes, writable);
	if (r < 0)
		close(fd);
	else
		*ret_header = header;
	return r;
}

static int check_gen(const struct rdx_table_header *header, uint64_t file_bytes,
		     uint64_t generation, uint64_t writer_id)
{
	if (header->magic != RDX_TABLE_MAGIC ||
	    header->layout_fingerprint != RDX_INDEX_FINGERPRINT || header->writer_id != writer_id ||
	    header->generation != generation || header->file_bytes != file_bytes)
		return -EBADMSG;
	if (header->lines < 1 || header->lines > RDX_LINES_MAX || header->sets < 1 ||
	    header->sets > RDX_SETS_MAX || !(header->secret[0] & header->secret[1] & 1) ||
	    rdx_index_table_bytes(header->lines, header->sets) != file_bytes)
		return -EBADMSG;
	return 0;
}

static struct rdx_table as_table(uint8_t *base, const struct rdx_table_header *header)
{
	return (struct rdx_table){
		.line = (struct rdx_line *)(base + RDX_TABLE_LINES_OFFSET),
		.set = (struct rdx_set *)(base + rdx_index_sets_offset(header->lines)),
		.epoch = &((struct rdx_table_header *)base)->epoch,
		.lines = header->lines,
		.sets = header->sets,
		.secret = {header->secret[0], header->secret[1]},
	};
}

int rdx_index_file_gen_map(struct rdx_mapping *ret_mapping, struct rdx_table *ret_table, int dir_fd,
			   const struct rdx_index_id *id, uint64_t generation, uint64_t writer_id)
{
	struct rdx_table_header header;
	uint64_t bytes, inode = 0;
	char name[RDX_NAME_BYTES];
	int fd, r;

	rdx_index_file_gen_name(id, generation, name);
	fd = rdx_file_open_foreign(dir_fd, name, O_RDONLY, &bytes);
	if (fd < 0)
		return fd;
	r = rdx_file_read(fd, &header, sizeof(header));
	if (r == 0)
		r = rdx_file_inode(fd, &inode);
	if (r == 0)
		r = header.inode == inode ? check_gen(&header, bytes, generation, writer_id)
					  : -EBADMSG;
	if (r == 0)
		r = rdx_mapping_attach(ret_mapping, fd, bytes, 0);
	if (r < 0) {
		close(fd);
		return r;
	}
	/* a third off the probes where the kernel grants it; works without */
	(void)madvise(ret_mapping->base, bytes, MADV_HUGEPAGE);
	*ret_table = as_table(ret_mapping->base, &header);
	return 0;
}
