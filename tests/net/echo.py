#!/usr/bin/env python3
"""TCP both ways at once, every octet compared.

    echo.py listen ADDRESS          takes one connection and sends back what comes
    echo.py send ADDRESS OCTETS     exits 0 when all of it came back unchanged
"""
import hashlib
import os
import socket
import sys
import threading

PORT = 7007
CHUNK = 65536


def listen(address):
    with socket.create_server((address, PORT)) as server:
        print("ready", flush=True)
        peer, _ = server.accept()
        with peer:
            while chunk := peer.recv(CHUNK):
                peer.sendall(chunk)


def pour(stream, octets, digest):
    while octets:
        chunk = os.urandom(min(octets, CHUNK))
        digest.update(chunk)
        stream.sendall(chunk)
        octets -= len(chunk)
    stream.shutdown(socket.SHUT_WR)


def send(address, octets):
    sent, received = hashlib.sha256(), hashlib.sha256()
    with socket.create_connection((address, PORT), timeout=30) as stream:
        writer = threading.Thread(target=pour, args=(stream, octets, sent))
        writer.start()
        while chunk := stream.recv(CHUNK):
            received.update(chunk)
        writer.join()
    return sent.digest() == received.digest()


if sys.argv[1] == "listen":
    listen(sys.argv[2])
else:
    sys.exit(0 if send(sys.argv[2], int(sys.argv[3])) else 1)
