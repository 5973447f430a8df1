# SPDX-License-Identifier: MIT
"""A unix socket before another one, whose connections can be cut: cutproxy.py LISTEN TARGET.

SIGUSR1 cuts all that there are; new ones are served. Prints "ready" when it listens."""

import os
import signal
import socket
import sys
import threading

live = set()
lock = threading.Lock()


def carry(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, path):
    target = socket.socket(socket.AF_UNIX)
    target.connect(path)
    pair = (client, target)
    with lock:
        live.add(pair)
    threads = [threading.Thread(target=carry, args=way, daemon=True) for way in (pair, pair[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with lock:
        live.discard(pair)
    for end in pair:
        end.close()


def cut(*_):
    with lock:
        for pair in live:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def main():
    listen, path = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX)
    server.bind(listen)
    server.listen(64)
    signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=cut, daemon=True).start())
    print("ready", flush=True)
    while os.path.exists(listen):
        client, _ = server.accept()
        threading.Thread(target=serve, args=(client, path), daemon=True).start()


main()
