/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: claiming a rank and making its segment: what is refused and with which
 * errno, what is left behind, who is alive, who wins.
 */
#include "shm/namespace.h"
#include "shm/segment.h"
#include "tests/rig.h"
#include <ringdex/rdx_reader.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define RACES  200

static void path_of(const struct rig *rig, const char *name, char *ret_path)
{
	snprintf(ret_path, 128, "%s/%s", rig->dir, name);
}

static int try_claim(struct rig *rig, const struct rdx_segment_spec *spec)
{
	struct rig_producer producer;
	int r = rig_claim(rig, &producer, spec);

	if (r == 0)
		rig_release(&producer);
	return r;
}

/* Files of worker 1 beside "0.lock", by name or any. */
static int count_files(const struct rig *rig, const char *prefix)
{
	struct dirent *entry;
	char path[128];
	int count = 0;
	DIR *dir;

	path_of(rig, "1", path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			 strcmp(entry->d_name, "0.lock") != 0 &&
			 strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	if (dir)
		closedir(dir);
	return count;
}

static void test_bad_geometry_is_einval(void **state)
{
	static const uint64_t slots[] = {
		0,         1, 32, 63, 65, 100, 1000, (UINT64_C(1) << 32) + 1, UINT64_C(1) << 33,
		UINT64_MAX};
	struct rdx_segment_spec spec;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	for (uint32_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		spec = rig_spec(1, 0, slots[i], 64);
		assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	}
	spec = rig_spec(1, 0, 64, 0); /* no tier has a ledger */
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec = rig_spec(1, 0, 64, RDX_TIER_BLOCKS_MAX + 1);
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec = rig_spec(1, 0, 64, UINT64_MAX);
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec = rig_spec(1, 0, 64, 64);
	spec.block_tokens = 0;
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec.block_tokens = RDX_BLOCK_TOKENS_MAX + 1;
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	assert_int_equal(count_files(&rig, ""), 0);
	rig_remove(&rig);
}

static void test_bad_texts_and_modes(void **state)
{
	char text[RDX_TEXT_BYTES + 1];
	struct rdx_segment_spec spec;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	memset(text, 'x', sizeof(text));
	text[RDX_TEXT_BYTES] = '\0'; /* one byte too long */
	for (int i = 0; i < 3; i++) {
		spec = rig_spec(1, 0, 64, 64);
		*(i == 0 ? &spec.instance : i == 1 ? &spec.model : &spec.tenant) = text;
		assert_int_equal(try_claim(&rig, &spec), -ENAMETOOLONG);
	}
	text[RDX_TEXT_BYTES - 1] = '\0'; /* just fits */
	spec = rig_spec(1, 0, 64, 64);
	spec.tenant = text;
	assert_int_equal(try_claim(&rig, &spec), 0);
	spec.instance = "";
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec = rig_spec(1, 0, 64, 64);
	spec.model = NULL;
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec = rig_spec(1, 0, 64, 64);
	spec.file_mode = 0666; /* no file is ever world-writable */
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec.file_mode = 0660; /* nor anybody's but its owner's, who alone may truncate it */
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	spec.file_mode = 04640;
	assert_int_equal(try_claim(&rig, &spec), -EINVAL);
	rig_remove(&rig);
}

static void test_files_and_their_modes(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig_producer producer;
	struct stat st;
	char path[128];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_claim(&rig, &producer, &spec), 0);
	path_of(&rig, "1/0.seg", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal((uint64_t)st.st_size, producer.owner.header->file_bytes);
	assert_true((uint64_t)st.st_blocks * 512 >= producer.owner.header->file_bytes);
	path_of(&rig, "1/0.lock", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	rig_release(&producer);
	spec.file_mode = 0644;
	assert_int_equal(try_claim(&rig, &spec), 0);
	path_of(&rig, "1/0.seg", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	rig_remove(&rig);
}

static void test_missing_directories_and_segments(void **state)
{
	struct rdx_reader *reader;
	char path[128];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	path_of(&rig, "no/such", path);
	assert_int_equal(rdx_namespace_open(path, 1), -ENOENT); /* parents are not made */
	assert_int_equal(rdx_namespace_open(path, 0), -ENOENT);
	assert_int_equal(rdx_reader_open(&reader, path, 1, 0), -ENOENT);
	path_of(&rig, "key", path);
	assert_int_equal(rdx_namespace_open(path, 0), -ENOTDIR);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), -ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), -ENOENT); /* no key */
	rig_remove(&rig);
}

/* As an ordinary user, in a child. 0, or what is wrong. */
static int claim_as_nobody(struct rig *rig)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rdx_hash_key key;

	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return 1;
	if (try_claim(rig, &spec) != -EACCES)
		return 2;
	if (rdx_namespace_key(rig->dir_fd, 1, &key) != -EACCES)
		return 3;
	return 0;
}

static void test_unwritable_directory_is_eacces(void **state)
{
	int status;
	char path[128];
	struct rig rig;
	pid_t child;

	(void)state;
	rig_make(&rig);
	path_of(&rig, "key", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(chmod(rig.dir, 0555), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(claim_as_nobody(&rig));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(chmod(rig.dir, 0755), 0);
	rig_remove(&rig);
}

/* On a tmpfs of 1 MiB in a mount namespace of its own. 0, 77 if there can be none, or
 * what is wrong. */
static int claim_on_full_tmpfs(struct rig *rig)
{
	struct rdx_segment_spec large = rig_spec(1, 0, 1 << 16, 64); /* 4 MiB */
	struct rdx_segment_spec small = rig_spec(1, 0, 64, 64);

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", rig->dir, "tmpfs", 0, "size=1m") < 0)
		return 77;
	rig->dir_fd = rdx_namespace_open(rig->dir, 0);
	if (try_claim(rig, &large) != -ENOSPC)
		return 1;
	if (count_files(rig, "") != 0)
		return 2;
	/* what is free is still there */
	return try_claim(rig, &small) == 0 ? 0 : 3;
}

/* The same where no tmpfs can be mounted: files may not grow. */
static int claim_with_file_limit(struct rig *rig)
{
	struct rdx_segment_spec large = rig_spec(1, 0, 1 << 16, 64);
	struct rlimit limit = {1 << 20, 1 << 20};

	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 77;
	if (try_claim(rig, &large) != -EFBIG)
		return 1;
	return count_files(rig, "") == 0 ? 0 : 2;
}

static int in_child(struct rig *rig, int (*what)(struct rig *))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(what(rig));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_full_tmpfs_is_enospc_and_leaves_nothing(void **state)
{
	struct rig rig;
	int r;

	(void)state;
	rig_make(&rig);
	r = in_child(&rig, claim_on_full_tmpfs);
	if (r == 77)
		print_message("no tmpfs can be mounted here: only a limit on files is tried\n");
	else
		assert_int_equal(r, 0);
	assert_int_equal(in_child(&rig, claim_with_file_limit), 0);
	rig_remove(&rig);
}

static void test_second_live_producer_is_ebusy(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64), other = rig_spec(1, 1, 64, 64);
	struct rig_producer first, second;
	struct rdx_reader *reader;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_claim(&rig, &first, &spec), 0);
	assert_int_equal(rig_claim(&rig, &second, &spec), -EBUSY);
	assert_int_equal(count_files(&rig, ".tmp-"), 0);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), 0);
	assert_int_equal(rdx_reader_info(reader)->epoch, first.owner.header->epoch);
	rdx_reader_close(reader);
	assert_int_equal(rig_claim(&rig, &second, &other), 0); /* another rank is free */
	rig_release(&second);
	rig_release(&first);
	assert_int_equal(rig_claim(&rig, &second, &spec), 0);
	rig_release(&second);
	rig_remove(&rig);
}

static void test_life_is_the_lock(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct flock read_lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct rig_producer producer;
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_reader *reader;
	char path[128];
	struct rig rig;
	int fd;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_claim(&rig, &producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), 0);
	assert_int_equal(rdx_reader_alive(reader), 1);
	rig_release(&producer);
	assert_int_equal(rdx_reader_alive(reader), 0);
	/* a reader's lock does not fake a life */
	path_of(&rig, "1/0.seg", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &read_lock), 0);
	assert_int_equal(rdx_reader_alive(reader), 0);
	close(fd);
	/* the next epoch is another file: this one stays dead, and shows it */
	assert_int_equal(rig_claim(&rig, &producer, &spec), 0);
	assert_int_equal(rdx_reader_alive(reader), 0);
	assert_int_equal(rdx_reader_recover(reader, NULL, &recovery), -ESTALE);
	rdx_reader_close(reader);
	rig_release(&producer);
	rig_remove(&rig);
}

static void replace_key(struct rig *rig, uint32_t bytes)
{
	uint8_t key[RDX_KEY_BYTES + 1] = {1, 2, 3};
	char path[128];

	path_of(rig, "key", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rdx_namespace_make_file(rig->dir_fd, "", "key", key, bytes, 0640), 0);
}

static void test_another_key_is_rejected(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig_producer producer;
	struct rdx_reader *reader;
	struct rdx_hash_key key;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_claim(&rig, &producer, &spec), 0);
	replace_key(&rig, RDX_KEY_BYTES);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), -EKEYREJECTED);
	replace_key(&rig, RDX_KEY_BYTES - 1);
	assert_int_equal(rdx_namespace_key(rig.dir_fd, 1, &key), -EKEYREJECTED);
	replace_key(&rig, RDX_KEY_BYTES + 1);
	assert_int_equal(rdx_namespace_key(rig.dir_fd, 0, &key), -EKEYREJECTED);
	rig_release(&producer);
	rig_remove(&rig);
}

static void test_leftovers_in_the_way(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	char path[128], target[128];
	struct rdx_reader *reader;
	struct stat st;
	struct rig rig;
	int fd;

	(void)state;
	rig_make(&rig);
	assert_int_equal(mkdirat(rig.dir_fd, "1", 0755), 0);
	/* a killed producer's temporary file */
	fd = openat(rig.dir_fd, "1/.tmp-0.seg", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, "half", 4) == 4);
	close(fd);
	assert_int_equal(try_claim(&rig, &spec), 0);
	assert_int_equal(count_files(&rig, ".tmp-"), 0);
	/* links are replaced, not followed */
	path_of(&rig, "1/0.seg", path);
	path_of(&rig, "precious", target);
	fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, "keep", 4) == 4);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), -EBADMSG);
	assert_int_equal(try_claim(&rig, &spec), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 4);
	/* a directory only where it is empty */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), -EBADMSG);
	assert_int_equal(mkdirat(rig.dir_fd, "1/0.seg/own", 0755), 0);
	assert_int_equal(try_claim(&rig, &spec), -ENOTEMPTY);
	assert_int_equal(count_files(&rig, ".tmp-"), 0);
	assert_int_equal(unlinkat(rig.dir_fd, "1/0.seg/own", AT_REMOVEDIR), 0);
	assert_int_equal(try_claim(&rig, &spec), 0);
	/* a lock file that is a link is not locked */
	path_of(&rig, "1/0.lock", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(try_claim(&rig, &spec), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	rig_remove(&rig);
}

/* Shared by processes that start at once. */
struct start {
	_Atomic int ready;
	_Atomic int go;
	_Atomic int reported;
	_Atomic int result[2];
	_Atomic uint64_t epoch[2];
};

static void race_to_claim(struct rig *rig, struct start *start, int which)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig_producer producer;
	int r;

	atomic_fetch_add(&start->ready, 1);
	while (!atomic_load(&start->go))
		sched_yield();
	r = rig_claim(rig, &producer, &spec);
	atomic_store(&start->result[which], r);
	if (r == 0)
		atomic_store(&start->epoch[which], producer.owner.header->epoch);
	atomic_fetch_add(&start->reported, 1);
	while (atomic_load(&start->reported) < 2) /* nobody dies before both have tried */
		sched_yield();
	while (atomic_load(&start->go) < 2)
		sched_yield();
	_exit(0);
}

static void assert_one_won(struct rig *rig, struct start *start)
{
	int winner = atomic_load(&start->result[0]) == 0 ? 0 : 1;
	struct rdx_reader *reader;

	assert_int_equal(atomic_load(&start->result[winner]), 0);
	assert_int_equal(atomic_load(&start->result[!winner]), -EBUSY);
	assert_int_equal(rdx_reader_open(&reader, rig->dir, 1, 0), 0);
	assert_int_equal(rdx_reader_info(reader)->epoch, atomic_load(&start->epoch[winner]));
	assert_int_equal(rdx_reader_alive(reader), 1);
	assert_int_equal(count_files(rig, ".tmp-"), 0);
	rdx_reader_close(reader);
}

/* Each round begins over the dead file of the round before. */
static void test_two_producers_at_once_over_a_dead_file(void **state)
{
	struct start *start = mmap(NULL, sizeof(*start), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rig rig;

	(void)state;
	assert_true(start != MAP_FAILED);
	rig_make(&rig);
	for (int round = 0; round < RACES; round++) {
		pid_t child[2];

		memset(start, 0, sizeof(*start));
		for (int i = 0; i < 2; i++) {
			child[i] = fork();
			assert_true(child[i] >= 0);
			if (child[i] == 0)
				race_to_claim(&rig, start, i);
		}
		while (atomic_load(&start->ready) < 2)
			sched_yield();
		atomic_store(&start->go, 1);
		while (atomic_load(&start->reported) < 2)
			sched_yield();
		assert_one_won(&rig, start);
		atomic_store(&start->go, 2);
		for (int i = 0; i < 2; i++)
			assert_int_equal(waitpid(child[i], NULL, 0), child[i]);
	}
	munmap(start, sizeof(*start));
	rig_remove(&rig);
}

/* The worker's own child, left behind by its death: it gave the claim up, and has no
 * mapping of the segment. Reports through `start`, then sleeps until killed. */
static void outlive(struct rig_producer *producer, struct start *start)
{
	void *base = producer->owner.mapping.base;
	uint64_t bytes = producer->owner.mapping.bytes;

	rdx_segment_disown(&producer->owner);
	atomic_store(&start->result[0], msync(base, bytes, MS_ASYNC) < 0 && errno == ENOMEM);
	atomic_store(&start->result[1], (int)getpid());
	atomic_store(&start->ready, 1);
	for (;;)
		pause();
}

/* Does the kernel leave out of a child what it is told to? qemu's user mode does not. */
static int fork_leaves_out(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 1;
	pid_t pid;

	assert_true(page != MAP_FAILED);
	assert_int_equal(madvise(page, 4096, MADV_DONTFORK), 0);
	pid = fork();
	if (pid == 0)
		_exit(msync(page, 4096, MS_ASYNC) == 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	munmap(page, 4096);
	return status == 0;
}

static void test_forked_child_does_not_keep_a_dead_worker_alive(void **state)
{
	struct start *start = mmap(NULL, sizeof(*start), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig_producer producer;
	struct rdx_reader *reader;
	struct rig rig;
	pid_t worker;

	(void)state;
	assert_true(start != MAP_FAILED);
	if (!fork_leaves_out()) {
		munmap(start, sizeof(*start));
		print_message("a child keeps every mapping, as under qemu: not asked\n");
		skip();
	}
	rig_make(&rig);
	worker = fork();
	assert_true(worker >= 0);
	if (worker == 0) {
		if (rig_claim(&rig, &producer, &spec) < 0)
			_exit(1);
		if (fork() == 0)
			outlive(&producer, start);
		for (;;)
			pause();
	}
	while (!atomic_load(&start->ready))
		assert_int_equal(waitpid(worker, NULL, WNOHANG), 0);
	assert_int_equal(rdx_reader_open(&reader, rig.dir, 1, 0), 0);
	assert_int_equal(rdx_reader_alive(reader), 1);
	assert_int_equal(atomic_load(&start->result[0]), 1);
	kill(worker, SIGKILL);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	assert_int_equal(rdx_reader_alive(reader), 0);
	assert_int_equal(rig_claim(&rig, &producer, &spec), 0);
	rig_release(&producer);
	kill((pid_t)atomic_load(&start->result[1]), SIGKILL);
	rdx_reader_close(reader);
	munmap(start, sizeof(*start));
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_geometry_is_einval),
		cmocka_unit_test(test_bad_texts_and_modes),
		cmocka_unit_test(test_files_and_their_modes),
		cmocka_unit_test(test_missing_directories_and_segments),
		cmocka_unit_test(test_unwritable_directory_is_eacces),
		cmocka_unit_test(test_full_tmpfs_is_enospc_and_leaves_nothing),
		cmocka_unit_test(test_second_live_producer_is_ebusy),
		cmocka_unit_test(test_life_is_the_lock),
		cmocka_unit_test(test_another_key_is_rejected),
		cmocka_unit_test(test_leftovers_in_the_way),
		cmocka_unit_test(test_two_producers_at_once_over_a_dead_file),
		cmocka_unit_test(test_forked_child_does_not_keep_a_dead_worker_alive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
