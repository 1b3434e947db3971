#!/usr/bin/env python3
"""What ping said: "SENT LOST P99", the last in milliseconds.

    ping ... | latency.py
"""
import re
import sys

said = sys.stdin.read()
times = sorted(float(ms) for ms in re.findall(r"time=([0-9.]+) ms", said))
sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
print(sent, sent - received, times[min(len(times) - 1, len(times) * 99 // 100)])
