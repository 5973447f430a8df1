#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands between a Docker client and the engine: capture.py LISTEN ENGINE OUT.

Both sockets are unix sockets. Everything passes through unchanged; the JSON body of each request that creates a
container is written to OUT, one a line.
"""
import json
import os
import socket
import sys
import threading


def bodies(data):
    """The create bodies in what a client has sent so far."""
    found = []
    at = 0
    while (at := data.find(b"/containers/create", at)) >= 0:
        end = data.find(b"\r\n\r\n", at)
        at += 1
        if end < 0:
            break
        length = [int(line.split(b":")[1]) for line in data[at:end].split(b"\r\n")
                  if line.lower().startswith(b"content-length:")]
        body = data[end + 4:end + 4 + (length[0] if length else 0)]
        if length and len(body) == length[0]:
            found.append(json.loads(body))
    return found


def copy(source, sink, seen):
    try:
        while chunk := source.recv(65536):
            if seen is not None:
                seen(chunk)
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, engine_path, out_path):
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(engine_path)
    sent = bytearray()
    told = 0

    def seen(chunk):
        nonlocal told
        sent.extend(chunk)
        found = bodies(bytes(sent))
        with open(out_path, "a", encoding="utf-8") as out:
            for body in found[told:]:
                out.write(json.dumps(body) + "\n")
        told = len(found)

    threading.Thread(target=copy, args=(client, engine, seen), daemon=True).start()
    copy(engine, client, None)
    client.close()


def main():
    listen_path, engine_path, out_path = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(listen_path + ".new")
    listener.listen(16)
    os.rename(listen_path + ".new", listen_path)  # who finds the socket can connect to it
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, engine_path, out_path), daemon=True).start()


main()
