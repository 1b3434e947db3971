# shellcheck shell=bash
# Instead of warm.sh: what this host's administrator does not allow the kernel to load.
printf '%s\n' "install esp4 /bin/false" "blacklist l2tp_ppp" >/etc/modprobe.d/lab.conf
modprobe -a ipv6 veth tun iptable_nat iptable_filter xt_MASQUERADE nf_conntrack_netlink
