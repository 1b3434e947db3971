# shellcheck shell=bash
# What the first server is slow to load, all of them would load at once: modules, and what the crypto API
# puts together for a first SA.
modprobe -a ipv6 veth tun sch_netem iptable_nat iptable_filter xt_MASQUERADE xt_multiport xt_u32 xt_policy \
	nf_conntrack_netlink esp4 xfrm_user authenc cbc hmac seqiv echainiv l2tp_ppp ppp_generic
key=0x$(printf '%064d' 1)
ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 auth-trunc "hmac(sha256)" "$key" 128 \
	enc "cbc(aes)" "$key"
ip xfrm state flush
# No address waits until nobody has objected to it.
sysctl -q net.core.devconf_inherit_init_net=1 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
