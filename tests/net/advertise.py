#!/usr/bin/env python3
"""A router advertisement of somebody who wants all of a network's IPv6.

    advertise.py INTERFACE PREFIX [ROUTE...]     PREFIX: for addresses on the link; ROUTE: more specific ways
"""
import ipaddress
import socket
import struct
import sys

ALL_NODES = "ff02::1"
HIGH = 0x08  # preference, RFC 4191
LIFE = 1800


def prefix_option(prefix):  # RFC 4861, 4.6.2: on the link, and to make addresses of
    return struct.pack("!BBBBIII", 3, 4, prefix.prefixlen, 0xC0, LIFE, LIFE, 0) + prefix.network_address.packed


def route_option(route):  # RFC 4191, 2.3
    return struct.pack("!BBBBI", 24, 3, route.prefixlen, HIGH, LIFE) + route.network_address.packed


def main():
    interface, prefix, *routes = sys.argv[1:]
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, HIGH, LIFE, 0, 0) + prefix_option(ipaddress.ip_network(prefix))
    message += b"".join(route_option(ipaddress.ip_network(route)) for route in routes)
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as out:
        out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        out.sendto(message, (ALL_NODES, 0, 0, index))


main()
