# Ends what a cluster left behind. The owner starts this script and holds the other end of its standard input:
# however the owner ends (return, panic, any signal, SIGKILL too), the kernel closes that pipe, and `read` sees it.
#
# $1: the servers' process group. Standard input: nothing, until it is closed.
# Standard output: one line, the cluster's new directory. A node's control groups have its base name.

# A terminal's Ctrl-C, or somebody who ends all they see, must not stop the one who cleans up.
trap '' HUP INT TERM

directory=$(mktemp -d "${TMPDIR:-/tmp}/test-cluster.XXXXXX") || exit 1
printf '%s\n' "$directory"

read -r _
kill -s KILL -- "-$1" 2>/dev/null

control_groups() {
    find /sys/fs/cgroup -depth -type d -path "*/${directory##*/}*" "$@" 2>/dev/null
}

# A server on its way out may still create a file under our hands, or be in its control group: again, for ten seconds
# at most.
attempts=0
until
    control_groups -exec rmdir '{}' ';'
    rm -rf -- "$directory" 2>/dev/null && [ -z "$(control_groups)" ] || [ "$attempts" -ge 100 ]
do
    attempts=$((attempts + 1))
    sleep 0.1
done
