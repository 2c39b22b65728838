/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

static void look_at_memory(struct process_figures *figures)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), total = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) == 2) {
		figures->virtual_bytes = total * page;
		figures->resident_bytes = resident * page;
	}
	fclose(file);
}

/* Without ".", ".." and the one that this takes. */
static uint64_t count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	uint64_t count = 0;

	if (!folder)
		return 0;
	while (readdir(folder))
		count++;
	closedir(folder);
	return count > 3 ? count - 3 : 0;
}

void process_look(struct process_figures *ret_figures)
{
	struct timespec cpu = {0};
	struct rlimit limit = {0};

	*ret_figures = (struct process_figures){.open_fds = count_fds()};
	look_at_memory(ret_figures);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	ret_figures->cpu_ns = (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec;
	getrlimit(RLIMIT_NOFILE, &limit);
	ret_figures->max_fds = (uint64_t)limit.rlim_cur;
}
