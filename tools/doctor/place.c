/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/doctor/place.h"

#include "shm/file.h"
#include "shm/namespace.h"
#include "tools/doctor/host.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NFS_TYPE  0x6969
#define CIFS_TYPE 0xff534d42
#define SMB2_TYPE 0xfe534d42

/* A segment of the smallest ring, and what an index begins with, would still fit. */
#define LEAST_BYTES     (UINT64_C(1) << 20)
#define SCARCE_BYTES    (UINT64_C(16) << 20)
#define SCARCE_FRACTION 20 /* a twentieth */
#define SCARCE_INODES   64

static const char *user_name(uid_t uid, char *ret_text, size_t bytes)
{
	struct passwd *entry = getpwuid(uid);

	snprintf(ret_text, bytes, entry ? "%s" : "%.0s%u", entry ? entry->pw_name : "",
		 (unsigned int)uid);
	return ret_text;
}

static void check_directory(struct findings *findings, const char *dir, const struct stat *st)
{
	char owner[64];

	findings_add(findings, "directory", FINDING_OK, NULL, "%s: owner %s, mode %04o", dir,
		     user_name(st->st_uid, owner, sizeof(owner)),
		     (unsigned int)(st->st_mode & 07777));
}

static void check_owner(struct findings *findings, int fd)
{
	if (rdx_namespace_check(fd, "", 1) == 0)
		return;
	/* root looks at the directories of all users */
	if (geteuid() == 0)
		findings_add(findings, "owner", FINDING_NOTE, NULL,
			     "it is another user's: root cannot publish or index in it");
	else
		findings_add(
			findings, "owner", FINDING_WARNING,
			"run workers and the indexer as its owner, or let root own it",
			"it is neither this user's nor root's: publishers and indexers of this "
			"user are refused (EPERM)");
}

static void check_key(struct findings *findings, int fd)
{
	struct rdx_hash_key key;
	int r = rdx_namespace_key(fd, 0, &key);

	if (r == 0)
		findings_add(findings, "key", FINDING_OK, NULL, "the key can be read");
	else if (r == -ENOENT)
		findings_add(findings, "key", FINDING_NOTE, NULL,
			     "no key yet: the first publisher or indexer makes it");
	else if (r == -EACCES)
		findings_add(findings, "key", FINDING_WARNING,
			     "give this user the group of the file 'key'",
			     "this user may not read the key: nothing can be read or published");
	else
		findings_add(findings, "key", FINDING_ERROR,
			     "stop all processes and remove the directory's content",
			     "the key cannot be used: %s", messages_explain(r));
}

static void check_rights(struct findings *findings, int fd)
{
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
		findings_add(findings, "permissions", FINDING_OK, NULL,
			     "this user may write in the directory");
	else
		findings_add(findings, "permissions", FINDING_NOTE, NULL,
			     "this user may look up, and neither index nor publish a new worker: "
			     "%s",
			     strerror(errno));
}

/* What others may replace is as bad one level below. */
static void check_below(struct findings *findings, int fd)
{
	DIR *stream = rdx_file_open_dir(fd, ".");
	struct dirent *entry;
	uint64_t worker_id;

	while (stream && rdx_file_entry(stream, &entry) == 1)
		if ((rdx_namespace_number(entry->d_name, UINT64_MAX, &worker_id) ||
		     strcmp(entry->d_name, "index") == 0) &&
		    rdx_namespace_check(fd, entry->d_name, 0) == -EPERM)
			findings_add(findings, "mode", FINDING_ERROR,
				     "chmod +t it, or take the permission to write from others",
				     "%s in it may be written by others, without the sticky bit",
				     entry->d_name);
	if (stream)
		closedir(stream);
}

static void check_file_system(struct findings *findings, int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		findings_add(findings, "memory", FINDING_WARNING, NULL,
			     "the file system does not say what it is: %s", strerror(errno));
	else if ((uint32_t)fs.f_type == NFS_TYPE || (uint32_t)fs.f_type == CIFS_TYPE ||
		 (uint32_t)fs.f_type == SMB2_TYPE)
		findings_add(findings, "memory", FINDING_ERROR, "use a directory below /dev/shm",
			     "it is on a network file system, which is not supported");
	else if (rdx_file_in_memory(fd) == 1)
		findings_add(findings, "memory", FINDING_OK, NULL, "the file system is in memory");
	else
		findings_add(findings, "memory", FINDING_WARNING,
			     "use a directory below /dev/shm, or on a tmpfs of its own",
			     "it is not in memory: writing can block an engine");
}

static void check_bytes(struct findings *findings, const struct statvfs *fs)
{
	uint64_t free_bytes = (uint64_t)fs->f_bavail * fs->f_frsize;
	uint64_t all_bytes = (uint64_t)fs->f_blocks * fs->f_frsize;
	const char *advice = "ringdex clean removes what the dead left; or enlarge the file system "
			     "(ringdex size says how large)";
	char free_text[FIGURES_BYTES], all_text[FIGURES_BYTES];
	enum finding_level level = FINDING_OK;

	if (all_bytes == 0) { /* a tmpfs that was given none */
		findings_add(findings, "space", FINDING_OK, NULL, "no limit");
		return;
	}
	if (free_bytes < LEAST_BYTES)
		level = FINDING_ERROR;
	else if (free_bytes < SCARCE_BYTES || free_bytes < all_bytes / SCARCE_FRACTION)
		level = FINDING_WARNING;
	findings_add(findings, "space", level, level == FINDING_OK ? NULL : advice, "%s free of %s",
		     figures_size(free_bytes, free_text), figures_size(all_bytes, all_text));
}

static void check_inodes(struct findings *findings, const struct statvfs *fs)
{
	uint64_t free_inodes = fs->f_favail;
	char free_text[FIGURES_BYTES], all_text[FIGURES_BYTES];
	enum finding_level level = FINDING_OK;

	if (fs->f_files == 0) {
		findings_add(findings, "inodes", FINDING_OK, NULL, "no limit");
		return;
	}
	if (free_inodes == 0)
		level = FINDING_ERROR;
	else if (free_inodes < SCARCE_INODES)
		level = FINDING_WARNING;
	findings_add(findings, "inodes", level,
		     level == FINDING_OK ? NULL
					 : "remove files, or mount it with a greater nr_inodes",
		     "%s files more of %s", figures_grouped(free_inodes, free_text),
		     figures_grouped(fs->f_files, all_text));
}

static void check_space(struct findings *findings, int fd)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0) {
		findings_add(findings, "space", FINDING_WARNING, NULL, "not known: %s",
			     strerror(errno));
		return;
	}
	if (fs.f_flag & ST_RDONLY)
		findings_add(findings, "permissions", FINDING_NOTE, NULL,
			     "it is mounted read-only here: this process may only look up");
	check_bytes(findings, &fs);
	check_inodes(findings, &fs);
}

/* The directory is to be made there: will it fit? */
static void check_parent(struct findings *findings, const char *dir)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s", dir);
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		findings_add(findings, "directory", FINDING_ERROR, "make it",
			     "that it would be in cannot be opened: %s", strerror(errno));
		return;
	}
	check_file_system(findings, fd);
	check_space(findings, fd);
	close(fd);
}

static int say_missing(struct findings *findings, const char *dir, int error)
{
	if (error == -ENOENT) {
		findings_add(findings, "directory", FINDING_WARNING,
			     "start a worker or ringdex follow, or name it with --dir",
			     "%s is not there", dir);
		check_parent(findings, dir);
	} else {
		findings_add(findings, "directory", FINDING_ERROR,
			     error == -EACCES ? "let this user read and search it"
					      : "name another one with --dir",
			     "%s cannot be opened: %s", dir, strerror(-error));
	}
	return error;
}

int place_check(struct findings *findings, const char *dir, const char *root)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return say_missing(findings, dir, -errno);
	if (fstat(fd, &st) < 0) {
		r = -errno;
		close(fd);
		return say_missing(findings, dir, r);
	}
	check_directory(findings, dir, &st);
	r = rdx_namespace_check(fd, "", 0);
	if (r < 0)
		findings_add(findings, "mode", FINDING_ERROR,
			     "chmod +t it, or take the permission to write from others",
			     "others may write in it, without the sticky bit: every program "
			     "refuses it (EPERM)");
	check_owner(findings, fd);
	check_rights(findings, fd);
	check_below(findings, fd);
	check_key(findings, fd);
	check_file_system(findings, fd);
	check_space(findings, fd);
	host_check_pages(findings, root, &st);
	host_check_logind(findings, root, dir, &st);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}
