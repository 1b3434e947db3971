# shellcheck shell=bash
# "min median max" of the numbers that come in, one a line.
spread() {
	sort -n | awk '{ v[NR] = $1 }
		END { print v[1], (v[int((NR + 1) / 2)] + v[int(NR / 2 + 1)]) / 2, v[NR] }'
}
