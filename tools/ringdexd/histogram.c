/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/histogram.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

const struct histogram_bound histogram_bounds[HISTOGRAM_BOUNDS] = {
	{1 * US, "1e-06"},    {2500, "2.5e-06"},  {5 * US, "5e-06"},     {10 * US, "1e-05"},
	{25 * US, "2.5e-05"}, {50 * US, "5e-05"}, {100 * US, "0.0001"},  {250 * US, "0.00025"},
	{500 * US, "0.0005"}, {1 * MS, "0.001"},  {2500 * US, "0.0025"}, {5 * MS, "0.005"},
	{10 * MS, "0.01"},    {25 * MS, "0.025"}, {100 * MS, "0.1"},     {1000 * MS, "1.0"},
	{10000 * MS, "10.0"},
};

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && ns > histogram_bounds[i].ns)
		i++;
	histogram->counts[i]++;
	histogram->sum_ns += ns;
}
