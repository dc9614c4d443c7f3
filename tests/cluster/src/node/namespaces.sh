# The first process of a node's own namespaces (network, mounts, processes): when it ends, the kernel ends every process,
# and takes away every mount, interface and iptables rule, that was made in them.
#
# $1: the node's directory. $2: the node's address, with the length of the pods' prefix. $3: the address of the service
# `kubernetes`. $4: addresses of the registries, separated by spaces. The rest: the command. Standard input is the owner's lifeline.
set -eu
directory=$1 address=$2 service=$3 registries=$4
shift 4

# What container runtimes and kubelet write outside the directories that they are told.
mkdir -p /var/lib/cni
for covered in /run /var/log /var/lib/cni; do mount -t tmpfs tmpfs "$covered"; done
mount --bind "$directory/hosts" /etc/hosts

ip link set lo up
ip link add cni0 type bridge
ip address add "$address" dev cni0
ip link set cni0 up
# A route to anywhere: programs that look for one before they name their own address would give up.
ip route add default dev cni0
for registry in $registries; do ip address add "$registry/32" dev lo; done
# And the rest of their prefix, for tests that stand in for one.
ip route add local 10.99.0.0/24 dev lo
echo 1 >/proc/sys/net/ipv4/ip_forward
# The service `kubernetes` without kube-proxy: the only one that a pod asks for.
for chain in PREROUTING OUTPUT; do
    iptables --table nat --append "$chain" --destination "$service" --protocol tcp --dport 443 \
        --jump DNAT --to-destination "${address%/*}:6443"
done

# Both hierarchies of control groups; the kubelet makes its own below these.
group=${directory##*/}
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    for controller in cpuset cpu memory pids; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
    done
    mkdir "/sys/fs/cgroup/$group"
else
    for controller in /sys/fs/cgroup/*/; do
        mkdir "$controller$group"
        if [ -e "$controller/cpuset.cpus" ]; then
            cat "$controller/cpuset.cpus" >"$controller$group/cpuset.cpus"
            cat "$controller/cpuset.mems" >"$controller$group/cpuset.mems"
        fi
    done
fi

# Not `exec`: this shell stays, and takes notice of the end of processes whose parents are gone.
"$@"
exit $?
