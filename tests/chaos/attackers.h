/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other users, at work beside the chaos for as long as it lasts: a member of the namespace's group,
 * who may read it and have workers of its own in it, and a stranger, who may not.
 */
#ifndef RDX_TESTS_CHAOS_ATTACKERS_H
#define RDX_TESTS_CHAOS_ATTACKERS_H

#include "tests/chaos/crew.h"

#define ATTACKERS_ROLE "attacker"

/* Does nothing where crew.is_group is not set. */
void attackers_start(struct crew *crew);

/* One that has ended could do what nobody may do to others: a divergence. */
void attackers_look(const struct crew *crew);

void attackers_end(struct crew *crew);

/* The life of one: program attacker DIR USER GROUP SEED. */
int attackers_attack(int argc, char **argv);

#endif
