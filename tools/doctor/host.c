/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/doctor/host.h"

#include "consumer/wait/wait.h"
#include "shm/lock.h"
#include "shm/shared_clock.h"
#include "tools/doctor/settings.h"
#include "tools/program/figures.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <ringdex/rdx_indexer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Users below are of the system: logind leaves their files alone. */
#define FIRST_USER 1000

#define PAGES_ADVICE                                                                               \
	"for lookups that wait less, mount the file system with huge=within_size (docs: "          \
	"operations, large pages)"

/* Who is alive is told by these locks: sandboxes have systems without them. */
static void check_locks(struct findings *findings)
{
	int fd = memfd_create("ringdex-doctor", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : rdx_lock_take(fd);

	if (fd >= 0)
		close(fd);
	if (fd >= 0 && r == 0)
		findings_add(findings, "locks", FINDING_OK, NULL,
			     "locks of open file descriptions work");
	else if (fd < 0)
		findings_add(findings, "locks", FINDING_NOTE, NULL,
			     "not tried, there is no file to try them on: %s", strerror(-r));
	else
		findings_add(findings, "locks", FINDING_ERROR,
			     "let the sandbox allow fcntl(F_OFD_SETLK)",
			     "locks of open file descriptions are refused: %s", strerror(-r));
}

static void check_uring(struct findings *findings, const char *root)
{
	const char *advice = "nothing must be done: epoll is used instead";
	struct rdx_wait *wait;
	char disabled[SETTINGS_BYTES];
	int r = rdx_wait_open(&wait, RDX_WAIT_URING);

	if (r == 0) {
		rdx_wait_close(wait);
		findings_add(findings, "io_uring", FINDING_OK, NULL,
			     "a ring with futexes was set up");
	} else if (settings_read(root, "/proc/sys/kernel/io_uring_disabled", disabled) == 0 &&
		   strcmp(disabled, "0") != 0) {
		findings_add(findings, "io_uring", FINDING_NOTE, advice,
			     "forbidden by kernel.io_uring_disabled = %s", disabled);
	} else if (r == -EPERM) {
		findings_add(findings, "io_uring", FINDING_NOTE, advice,
			     "forbidden, by a seccomp filter as containers have one or a security "
			     "module");
	} else if (r == -ENOSYS) {
		findings_add(findings, "io_uring", FINDING_NOTE, advice,
			     "the kernel has none, or none with futexes (it came with 6.7), or a "
			     "filter says so");
	} else {
		findings_add(findings, "io_uring", FINDING_NOTE, advice, "refused: %s",
			     strerror(-r));
	}
}

static void check_clock(struct findings *findings, const char *root)
{
	char source[SETTINGS_BYTES], off[FIGURES_BYTES];
	int r = rdx_shared_clock_learn();
	int64_t offset_ns = atomic_load_explicit(&rdx_shared_clock_offset_ns, memory_order_relaxed);

	if (r < 0)
		findings_add(findings, "clock", FINDING_WARNING, "mount /proc",
			     "the offset of a time namespace cannot be learnt, ages may be wrong: "
			     "%s",
			     strerror(-r));
	else if (offset_ns)
		findings_add(findings, "clock", FINDING_NOTE, NULL,
			     "this process is in a time namespace, %s %s the host; ages are "
			     "corrected",
			     figures_duration((uint64_t)llabs(offset_ns), off),
			     offset_ns > 0 ? "ahead of" : "behind");
	else
		findings_add(findings, "clock", FINDING_OK, NULL, "no time namespace of its own");
	if (settings_read(root, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
			  source) == 0 &&
	    (strcmp(source, "hpet") == 0 || strcmp(source, "acpi_pm") == 0 ||
	     strcmp(source, "jiffies") == 0))
		findings_add(findings, "clock", FINDING_WARNING,
			     "find out from the kernel's log why tsc is not used",
			     "the clock source is %s: each look at the clock takes microseconds",
			     source);
}

void host_check_kernel(struct findings *findings, const char *root)
{
	struct utsname name;

	if (uname(&name) == 0)
		findings_add(findings, "kernel", FINDING_OK, NULL, "%s %s, %s", name.sysname,
			     name.release, name.machine);
	check_locks(findings);
	check_uring(findings, root);
	check_clock(findings, root);
}

/* The options of the file system of a device, in mountinfo. 0, -ENOENT. */
static int mount_options(const char *root, dev_t device, char ret_options[SETTINGS_BYTES])
{
	char path[PATH_MAX], number[32], *line = NULL, *at;
	size_t bytes = 0;
	int r = -ENOENT;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	snprintf(number, sizeof(number), " %u:%u ", major(device), minor(device));
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (r < 0 && getline(&line, &bytes, file) > 0) {
		if (!strstr(line, number) || !strstr(line, " - "))
			continue;
		at = strrchr(line, ' '); /* the last field is the file system's options */
		snprintf(ret_options, SETTINGS_BYTES, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
		r = 0;
	}
	free(line);
	fclose(file);
	return r;
}

void host_check_pages(struct findings *findings, const char *root, const struct stat *dir)
{
	char options[SETTINGS_BYTES], enabled[SETTINGS_BYTES], *huge;

	if (mount_options(root, dir->st_dev, options) < 0)
		return; /* a file system that no mount has says nothing of it */
	if (settings_read(root, "/sys/kernel/mm/transparent_hugepage/shmem_enabled", enabled) < 0) {
		findings_add(findings, "pages", FINDING_NOTE, NULL,
			     "the kernel has no large pages for memory that is shared");
		return;
	}
	huge = strstr(options, "huge=");
	if (strstr(enabled, "[deny]"))
		findings_add(findings, "pages", FINDING_NOTE,
			     "write 'never' to "
			     "/sys/kernel/mm/transparent_hugepage/shmem_enabled, so that mounts "
			     "decide",
			     "large pages are denied for all file systems");
	else if (strstr(enabled, "[force]") ||
		 (huge && (strncmp(huge, "huge=always", 11) == 0 ||
			   strncmp(huge, "huge=within_size", 16) == 0)))
		findings_add(findings, "pages", FINDING_OK, NULL, "tables get large pages");
	else
		findings_add(findings, "pages", FINDING_NOTE, PAGES_ADVICE,
			     "tables get small pages");
}

/* Of the last file that says so; logind's own default is yes. */
static int removes_ipc(const char *root)
{
	static const char *const folders[] = {"/usr/lib/systemd", "/run/systemd", "/etc/systemd"};
	int removes = 1;

	settings_flag(root, "/etc/systemd/logind.conf", "RemoveIPC", &removes);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		settings_flag_of_folder(root, folders[i], "logind.conf.d", "RemoveIPC", &removes);
	return removes;
}

/* One who lingers is never logged out. */
static int lingers(const char *root, const char *user)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/var/lib/systemd/linger/%s", root, user);
	return access(path, F_OK) == 0;
}

void host_check_logind(struct findings *findings, const char *root, const char *dir,
		       const struct stat *st)
{
	struct passwd *owner = getpwuid(st->st_uid);
	char path[PATH_MAX], whole[PATH_MAX];

	snprintf(path, sizeof(path), "%s/run/systemd/users", root);
	if (access(path, F_OK) < 0)
		return; /* there is no logind */
	if (!realpath(dir, whole) || strncmp(whole, "/dev/shm/", 9) != 0 ||
	    st->st_uid < FIRST_USER || (owner && lingers(root, owner->pw_name)) ||
	    !removes_ipc(root))
		findings_add(findings, "logind", FINDING_OK, NULL,
			     "logind leaves the directory alone");
	else
		findings_add(findings, "logind", FINDING_WARNING,
			     "loginctl enable-linger USER, or RemoveIPC=no in "
			     "/etc/systemd/logind.conf, or run as a user of the system",
			     "logind removes the directory's files when its owner's last session "
			     "ends (RemoveIPC)");
}
