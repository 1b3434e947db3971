# shellcheck shell=bash
# For the scripts that make a kernel in $dir. To be sourced.

# step NAME WHAT: the function NAME, its words in $dir/NAME.log. `set -e` is not in force in it.
step() {
	echo "kernel: $2"
	"$1" >"$dir/$1.log" 2>&1 </dev/null || step_failed "$1" "$2"
}

step_failed() {
	tail -n 20 "$dir/$1.log" >&2
	echo "kernel: $2: that failed; all of it is in $dir/$1.log" >&2
	exit 1
}
