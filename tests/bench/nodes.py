# SPDX-License-Identifier: MIT
"""Many engines in one process, each on an address of the loopback, and a cluster file for them.

usage: nodes.py FILE NODES CLUSTER PORT     serves until it is ended; prints "ready" before

Each has one worker of the cluster, the first a launcher, too, until somebody removes them. Enough of the API for
ps, exec's look at the cluster, and down."""

import asyncio
import json
import pathlib
import re
import resource
import sys

HEAD = "HTTP/1.1 {status}\r\nApi-Version: 1.47\r\nOstype: linux\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"


def address(node):
    return f"10.0.{node // 250}.{node % 250 + 1}"


def container(cluster, node, role, index):
    name = f"dockmpi-{cluster}-{role}" + (f"-{index}" if role == "worker" else "")
    labels = {"cluster": cluster, "role": role, "index": str(index), "node": f"n{node}", "slots": "1", "profile": "cpu",
              "addr": address(node)}
    return {"Id": f"{node:060x}{index:04x}" if role == "worker" else f"{node:056x}beef{index:04x}", "Names": [f"/{name}"],
            "Image": "dockmpi/cpu:latest", "ImageID": "sha256:" + "0" * 64, "State": "running", "Status": "Up 1 minute",
            "Created": 1795000000, "Labels": {f"io.dockmpi.{key}": value for key, value in labels.items()}}


class Engine:
    def __init__(self, cluster, node):
        self.there = {c["Id"]: c for c in [container(cluster, node, "worker", node)] +
                      ([container(cluster, node, "launcher", 0)] if node == 0 else [])}

    def answer(self, method, path):
        if path.startswith("/_ping"):
            return "200 OK", "OK"
        path = re.sub(r"^/v[0-9.]+", "", path)
        if method == "GET" and path.startswith("/containers/json"):
            return "200 OK", json.dumps(list(self.there.values()))
        if method == "DELETE" and (found := re.match(r"/containers/([0-9a-f]+)", path)):
            return ("204 No Content", "") if self.there.pop(found[1], None) else ("404 Not Found", '{"message":"none"}')
        if method == "GET" and path.startswith("/volumes"):
            return "200 OK", '{"Volumes":[],"Warnings":null}'
        if method == "GET" and path.startswith("/networks"):
            return "200 OK", "[]"
        return "404 Not Found", '{"message":"this engine is a simulation"}'

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
                if size := re.search(rb"(?i)\r\ncontent-length: *(\d+)", head):
                    await reader.readexactly(int(size[1]))
                status, body = self.answer(method, path)
                writer.write((HEAD.format(status=status, size=len(body)) + body).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def main(file, nodes, cluster, port):
    lines = [f"name: {cluster}", "nodes:"]
    for node in range(nodes):
        host = f"127.88.{node // 250}.{node % 250 + 1}"
        await asyncio.start_server(Engine(cluster, node).serve, host, port)
        lines.append(f'  - {{ name: n{node}, docker: "tcp://{host}:{port}", addr: {address(node)} }}')
    file.write_text("\n".join(lines) + "\n")
    print("ready", flush=True)
    await asyncio.Event().wait()


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
asyncio.run(main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
