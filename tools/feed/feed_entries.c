/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_entries.h"

const char *const feed_entries_inexact_or_skip[] = {"inexact", "skip", NULL};
const char *const feed_entries_cleared[] = {"all", "device", NULL};
const char *const feed_entries_zero[] = {"name", "root", NULL};
