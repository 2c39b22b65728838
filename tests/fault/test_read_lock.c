/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a neighbour who may only read takes read locks wherever it can while a worker starts.
 * At every step of the start it tries all files of the worker; none may keep the worker from
 * starting, or from starting again, and none makes a dead worker look alive.
 */
#include "shm/hook.h"
#include "tests/rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef RDX_HOOKS
#define NEIGHBOUR 65534
#define LOCKS_MAX 64

static struct {
	int worker_fd; /* the worker's directory */
	int opened;    /* files that it could open */
	int locks[LOCKS_MAX];
	int count;
} neighbour;

/* Keep a descriptor with a lock, as a process that lives on would. */
static void try_lock(const char *name)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = openat(neighbour.worker_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	neighbour.opened++;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0 || neighbour.count == LOCKS_MAX)
		close(fd);
	else
		neighbour.locks[neighbour.count++] = fd;
}

/* As another user: the kernel asks for the thread's effective one. */
static void attack(enum rdx_hook_step step)
{
	int fd = openat(neighbour.worker_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	assert_non_null(dir);
	assert_int_equal(seteuid(NEIGHBOUR), 0);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			try_lock(entry->d_name);
	assert_int_equal(seteuid(0), 0);
	(void)step;
	closedir(dir);
}

static void test_read_locks_of_others(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig *rig = *state;
	struct rig_producer producer;

	if (geteuid() != 0) {
		print_message("skipped: only root can become another user\n");
		skip();
	}
	spec.file_mode = 0644;
	assert_int_equal(chmod(rig->dir, 0755), 0);
	assert_int_equal(mkdirat(rig->dir_fd, "1", 0755), 0);
	neighbour.worker_fd = openat(rig->dir_fd, "1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(neighbour.worker_fd >= 0);
	for (int life = 0; life < 2; life++) {
		rdx_hook_function = attack;
		assert_int_equal(rig_claim(rig, &producer, &spec), 0);
		rdx_hook_function = NULL;
		assert_int_equal(rdx_segment_held(rig->dir_fd, 1, 0), 1);
		assert_true(neighbour.opened > 0);
		if (life == 0)
			assert_int_equal(neighbour.count, 0);
		rig_release(&producer);
		assert_int_equal(rdx_segment_held(rig->dir_fd, 1, 0), 0);
		/* the dead one's file may be locked: the next life has another */
		try_lock("0.seg");
		assert_int_equal(rdx_segment_held(rig->dir_fd, 1, 0), 0);
	}
	while (neighbour.count > 0)
		close(neighbour.locks[--neighbour.count]);
	close(neighbour.worker_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_locks_of_others, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
	print_message("skipped: built without protocol hooks\n");
	return 77;
}
#endif
