/* Vendor IDs: what a peer can do and who it is. RFC 2408, 3.16; RFC 3947, 3.1; RFC 3706, 5.1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/wire.h"

enum ike_vid {
	VID_NATT_RFC,
	VID_NATT_03,
	VID_NATT_02N, /* the one with a line feed, which Windows sends */
	VID_NATT_02,
	VID_NATT_OTHER, /* drafts that we do not speak */
	VID_DPD,
	VID_FRAGMENTATION,
	VID_XAUTH,
	VID_UNITY,
	VID_WINDOWS,
	VID_WINDOWS_OTHER,
	VID_STRONGSWAN,
	VID_LIBRESWAN,
	VID_RACOON,
	VID_FORTIGATE,
	VID_CISCO_VPN3000,
	VID_APPLE,
	VIDS,
};

/* Which one the body of a vendor ID payload is; VIDS when it is none we know. */
enum ike_vid ike_vid_of(struct slice body);

/* The octets of a vendor ID that is always the same; empty for the others. */
struct slice ike_vid_octets(enum ike_vid vid);

/* "Windows", "SoftEther", ... from all the IDs a peer sent (bits 1 << enum ike_vid), or "". */
const char *ike_vid_kind(uint32_t seen);
