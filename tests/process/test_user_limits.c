/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a user makes a directory for a worker, and another, and another: what all of them may take of
 * an indexer is limited, by their owner. Another user finds room, who runs the indexer is not limited, and
 * there is room again when some of it ends. Needs root, for the users.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST    3 /* that one user may have */
#define GREEDY  65534
#define MODEST  65533
#define WORKERS 16

/* A user's process, which opens and closes workers as it is told. */
struct user {
	pid_t pid;
	int orders, answers;
};

struct order {
	uint32_t worker;
	int tiers; /* 0: close it */
	char model[16];
};

static int carry_out(const struct indexer_rig *x, struct rdx_publisher **publishers,
		     const struct order *order)
{
	struct rdx_publisher_options options;

	if (!order->tiers) {
		rdx_publisher_close(publishers[order->worker]);
		return 0;
	}
	options = prompt_options(x, order->worker, 0, order->tiers, 32);
	options.model = order->model;
	return rdx_publisher_open(&publishers[order->worker], &options);
}

static void serve(const struct indexer_rig *x, uid_t uid, int orders, int answers)
{
	struct rdx_publisher *publishers[WORKERS] = {0};
	struct order order;

	if (setresuid(uid, uid, uid) < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of the user forgets it */
	while (read(orders, &order, sizeof(order)) == sizeof(order)) {
		int r = carry_out(x, publishers, &order);

		if (write(answers, &r, sizeof(r)) != sizeof(r))
			_exit(1);
	}
	_exit(0);
}

static void start(const struct indexer_rig *x, struct user *ret_user, uid_t uid)
{
	int orders[2], answers[2];

	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(answers), 0);
	ret_user->pid = fork();
	assert_true(ret_user->pid >= 0);
	if (ret_user->pid == 0) {
		close(orders[1]);
		serve(x, uid, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	ret_user->orders = orders[1];
	ret_user->answers = answers[0];
}

static void end(const struct user *user)
{
	kill(user->pid, SIGKILL);
	waitpid(user->pid, NULL, 0);
	close(user->orders);
	close(user->answers);
}

static void tell(const struct user *user, uint32_t worker, int tiers, const char *model)
{
	struct order order = {.worker = worker, .tiers = tiers};
	int r = 1;

	snprintf(order.model, sizeof(order.model), "%s", model);
	assert_int_equal(write(user->orders, &order, sizeof(order)), sizeof(order));
	assert_int_equal(read(user->answers, &r, sizeof(r)), sizeof(r));
	assert_int_equal(r, 0);
}

/* A namespace of a group, and the indexer that root runs. */
static void make(struct indexer_rig *x)
{
	struct rdx_indexer_options options = {.size = sizeof(options),
					      .initial_blocks = 256,
					      .stale_after_ns = INDEXER_NEVER_STALE,
					      .user_ranks_max = MOST};
	char parent[HELD_PATH_BYTES + 4];

	indexer_rig_make(x);
	snprintf(parent, sizeof(parent), "%s/..", x->dir);
	assert_int_equal(chmod(parent, 0711), 0);
	assert_int_equal(fchmod(x->rig.dir_fd, 01777), 0);
	options.dir = x->dir;
	assert_int_equal(rdx_indexer_open(&x->indexer, &options), 0);
}

/* Every worker of the greedy user is another directory's; so many in a row serve a model. */
static void take(struct indexer_rig *x, const struct user *user, uint32_t workers,
		 uint32_t of_model)
{
	for (uint32_t i = 0; i < workers; i++) {
		char model[16];

		snprintf(model, sizeof(model), "model-%u", i / of_model);
		tell(user, i + 1, 1, model);
		until_cause(x, i + 1, 0, 0);
	}
}

static void test_ranks(void **state)
{
	struct user greedy, modest;
	struct rdx_publisher *own[MOST + 1];
	struct indexer_rig x;

	(void)state;
	make(&x);
	start(&x, &greedy, GREEDY);
	start(&x, &modest, MODEST);
	take(&x, &greedy, MOST, MOST - 1);
	tell(&greedy, 9, 1, "model-1"); /* where there are columns */
	until_cause(&x, 9, 0, -EDQUOT);
	tell(&modest, 10, 1, "model-0");
	until_cause(&x, 10, 0, 0);
	for (uint32_t i = 0; i <= MOST; i++) {
		own[i] = prompt_publisher(&x, 20 + i, 0);
		until_cause(&x, 20 + i, 0, 0);
	}
	tell(&greedy, 1, 0, "");
	until_cause(&x, 9, 0, 0);
	for (uint32_t i = 0; i <= MOST; i++)
		rdx_publisher_close(own[i]);
	end(&greedy);
	end(&modest);
	indexer_rig_end(&x);
}

/* Three workers with a tier each take six columns. */
static void test_columns(void **state)
{
	struct user greedy;
	struct indexer_rig x;

	(void)state;
	make(&x);
	start(&x, &greedy, GREEDY);
	take(&x, &greedy, MOST - 1, MOST);
	tell(&greedy, 9, 2, "model-0");
	until_cause(&x, 9, 0, -EDQUOT);
	tell(&greedy, 9, 0, "");
	tell(&greedy, 10, 2, "another"); /* whose columns are its own */
	until_cause(&x, 10, 0, 0);
	end(&greedy);
	indexer_rig_end(&x);
}

/* Those that no rank feeds any more make room. */
static void test_indexes(void **state)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct user greedy;
	struct indexer_rig x;

	(void)state;
	make(&x);
	start(&x, &greedy, GREEDY);
	for (uint32_t i = 0; i < 2 * MOST; i++) {
		char model[16];

		snprintf(model, sizeof(model), "model-%u", i);
		tell(&greedy, i + 1, 1, model);
		until_cause(&x, i + 1, 0, 0);
		assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
		assert_true(stats.indexes <= MOST);
		tell(&greedy, i + 1, 0, "");
		until_cause(&x, i + 1, 0, -ESRCH);
	}
	end(&greedy);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_indexes),
	};

	if (geteuid() != 0) {
		print_message("needs root, for processes of other users\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
