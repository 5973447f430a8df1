# SPDX-License-Identifier: MIT
"""A simulation: many engines in one process, each on an address of the loopback, and a cluster file for them.

usage: nodes.py FILE NODES CLUSTER PORT     serves until it is ended; prints "ready" before

For what the client itself costs with many nodes. The client is the real one, and up, run, ps, exec of what these ask for
and down work, with requests and streams as an engine has them. Nothing else is real: no container, no process, no ssh,
no MPI. A member takes its files and says that it is ready; a job says "hello from WORKER" for every rank, or, where its
words end in `print BYTES`, prints so many bytes. All engines share one processor, so times say little about real ones."""

import asyncio
import io
import itertools
import json
import pathlib
import re
import resource
import secrets
import shlex
import struct
import sys
import tarfile
from urllib.parse import parse_qs, unquote, urlsplit

STDOUT, STDERR = 1, 2
LINE = b"x" * 999 + b"\n"
NOW = "2026-11-21T00:00:00Z"
UPGRADED = (b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
            b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
IMAGE = {"Id": "sha256:" + "1" * 64, "Created": NOW, "Size": 773000000, "Architecture": "amd64", "Os": "linux",
         "Config": {"Env": ["PATH=/usr/bin:/bin"]}, "RootFS": {"Type": "layers", "Layers": ["sha256:" + "2" * 64]}}
PORTS = "dockmpi: facts 1\nbegin tcp\nend\ndockmpi: facts end\n"
FACTS = """dockmpi: facts 1
hostname {host}
uid 0
cpus 0-7
ephemeral 32768 60999
sshd /usr/sbin/sshd
penalties
mpirun /usr/bin/mpirun
ompi 5
pdeathsig
mtu eth0 1500
begin route
end
begin trie
end
begin addr
2: eth0    inet {address}/16 brd 10.0.255.255 scope global eth0
end
begin inet6
end
begin tcp
end
begin env
PATH=/usr/bin:/bin
end
dockmpi: facts end
"""
# What every member is given is held once.
texts = {}


def address(node):
    return f"10.0.{node // 250}.{node % 250 + 1}"


def frame(stream, text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">BxxxL", stream, len(data)) + data


async def untar(reader):
    """The files of an archive, which ends with its last whole record, as tar has it."""
    files, taken = {}, 512
    while (head := await reader.readexactly(512)).strip(b"\0"):
        size = int(head[124:135], 8)
        data = (await reader.readexactly(-(-size // 512) * 512))[:size]
        files[head[:100].rstrip(b"\0").decode()] = texts.setdefault(data, data)
        taken += 512 + -(-size // 512) * 512
    await reader.readexactly(-taken % 10240)
    return files


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Container:
    def __init__(self, node, name, body):
        self.id, self.node, self.name, self.body = secrets.token_hex(32), node, name, body
        self.labels = body["Labels"]
        self.role = self.labels["io.dockmpi.role"]
        self.state, self.files = "created", {}
        self.started, self.ended = asyncio.Event(), asyncio.Event()

    def listed(self):
        return {"Id": self.id, "Names": [f"/{self.name}"], "Image": self.body["Image"], "ImageID": IMAGE["Id"],
                "State": self.state, "Status": self.state, "Created": 1795000000, "Labels": self.labels, "Mounts": []}

    def inspected(self):
        state = {"Status": self.state, "Running": self.state == "running", "ExitCode": 0, "OOMKilled": False,
                 "StartedAt": NOW, "FinishedAt": NOW}
        config = {key: value for key, value in self.body.items() if key != "HostConfig"}
        return {"Id": self.id, "Name": f"/{self.name}", "Image": IMAGE["Id"], "State": state, "Config": config,
                "HostConfig": self.body["HostConfig"], "Mounts": []}

    def start(self):
        self.state = "running"
        self.started.set()

    def end(self):
        self.state = "exited"
        self.started.set()
        self.ended.set()

    async def play(self, reader, writer):
        """What the container does with who is attached to it."""
        await self.started.wait()
        if self.ended.is_set():
            return
        if self.role == "job":
            self.files = await untar(reader)
            for data in self.output():
                writer.write(data)
                await writer.drain()
            self.end()
            return
        writer.write(frame(STDOUT, FACTS.format(host=f"n{self.node}", address=address(self.node))))
        self.files = await untar(reader)
        ready = (STDOUT, "dockmpi: ready\n") if self.role == "launcher" else (STDERR, "Server listening on port.\n")
        writer.write(frame(*ready))
        await reader.read()

    def output(self):
        words = shlex.split(self.files["etc/dockmpi/job"].decode().split("\nexec ")[1].split(" </dev/null\n")[0])
        if words[-2] != "print":
            hosts = self.files["etc/dockmpi/hostfile"].decode().splitlines()
            yield b"".join(frame(STDOUT, f"hello from {host.split()[0]}\n") for host in hosts)
            return
        lines, rest = divmod(int(words[-1]), len(LINE))
        some = frame(STDOUT, LINE * 16) * 16
        yield from itertools.repeat(some, lines // 256)
        yield frame(STDOUT, LINE) * (lines % 256) + frame(STDOUT, LINE[:rest])

    async def run(self, argv, reader, writer):
        """One command in it. Returns the exit code."""
        script = argv[2] if argv[:2] == ["sh", "-c"] else ""
        if argv[0] == "cat":
            data = self.files.get(argv[1].lstrip("/"))
            writer.write(frame(STDOUT, data) if data else b"")
            return 0 if data else 1
        if argv[:3] == ["tar", "-cf", "-"] or "exec tar -cf -" in script:
            writer.write(frame(STDERR, PORTS) if script else b"")
            writer.write(frame(STDOUT, tar({n: d for n, d in self.files.items() if n.startswith(argv[-1])} if not script
                                           else self.files)))
            return 0 if self.files else 1
        if argv[:3] == ["tar", "-xpf", "-"]:
            self.files |= await untar(reader)
            await reader.read()
            return 0
        if "ports_alone" in script:
            writer.write(frame(STDOUT, PORTS))
            return 0
        if "exec tar -xpf -" in script:
            return await self.take_code(int(argv[-1]), reader, writer)
        writer.write(frame(STDERR, f"this container is a simulation and knows no {argv[0]}\n"))
        return 127

    async def take_code(self, names, reader, writer):
        """run's way to send files: none of them is here yet."""
        await reader.readexactly(names)
        writer.write(frame(STDOUT, b"!\0"))
        await reader.readexactly(int(await reader.readline()))
        writer.write(frame(STDOUT, b"!\0"))
        while await reader.read(1 << 20):
            pass
        return 0


class Engine:
    def __init__(self, node):
        self.node, self.containers, self.volumes, self.execs = node, {}, {}, {}

    def find(self, word):
        return self.containers.get(word) or next((c for c in self.containers.values() if c.name == word), None)

    def create(self, query, body):
        name = query["name"][0]
        if self.find(name):
            return 409, {"message": f"Conflict. The container name \"/{name}\" is already in use"}
        made = Container(self.node, name, body)
        self.containers[made.id] = made
        return 201, {"Id": made.id, "Warnings": []}

    def remove(self, container):
        container.end()
        del self.containers[container.id]
        return 204, None

    def exec(self, container, body):
        name = secrets.token_hex(32)
        self.execs[name] = {"container": container, "argv": body["Cmd"], "Running": False, "ExitCode": None}
        return 201, {"Id": name}

    def answer(self, method, path, query, body):
        """One request that is answered at once: its status and its JSON."""
        kind, *words = path.split("/")[1:]
        if kind == "containers" and words == ["json"]:
            return 200, [c.listed() for c in self.containers.values()]
        if kind == "containers" and words == ["create"]:
            return self.create(query, body)
        if kind == "containers" and (container := self.find(words[0])):
            what = (method, *words[1:])
            if what == ("GET", "json"):
                return 200, container.inspected()
            if what == ("POST", "start"):
                return 204, container.start()
            if what == ("POST", "exec"):
                return self.exec(container, body)
            if what == ("DELETE",):
                return self.remove(container)
        if kind == "exec" and words[1:] == ["json"]:
            return 200, {key: self.execs[words[0]][key] for key in ("Running", "ExitCode")}
        if kind == "images" and words[-1] == "json":
            return 200, IMAGE
        if kind == "volumes" and words == ["create"]:
            return 201, self.volumes.setdefault(body["Name"], {"Name": body["Name"], "Labels": body["Labels"]})
        if kind == "volumes" and method == "DELETE":
            return (204, None) if self.volumes.pop(words[0], None) else (404, {"message": "no such volume"})
        if kind == "volumes":
            return 200, {"Volumes": list(self.volumes.values()), "Warnings": None}
        if kind == "networks":
            return 200, []
        return 404, {"message": "this engine is a simulation and has nothing there"}

    async def converse(self, path, reader, writer):
        """A connection that is no longer HTTP."""
        _, kind, name, _ = path.split("/")
        writer.write(UPGRADED)
        if kind == "containers":
            await self.find(name).play(reader, writer)
            return
        state = self.execs[name]
        state["Running"] = True
        state["ExitCode"] = await state["container"].run(state["argv"], reader, writer)
        state["Running"] = False

    async def serve_one(self, reader, writer):
        """Whether there may be another request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        url = urlsplit(re.sub(r"^/v[0-9.]+", "", target))
        path = unquote(url.path)
        length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if "\r\nUpgrade: tcp\r\n" in head:
            await self.converse(path, reader, writer)
            return False
        if path.endswith("/wait"):
            container = self.find(path.split("/")[2])
            await container.ended.wait()
            status, answer = 200, {"StatusCode": 0}
        elif path == "/_ping":
            status, answer = 200, "OK"
        else:
            status, answer = self.answer(method, path, parse_qs(url.query), json.loads(body or "null"))
        text = "" if answer is None else json.dumps(answer)
        size = f"Content-Length: {len(text)}\r\n" if status != 204 else ""
        writer.write(f"HTTP/1.1 {status} .\r\nApi-Version: 1.47\r\nOstype: linux\r\n{size}\r\n{text}".encode())
        await writer.drain()
        return True

    async def serve(self, reader, writer):
        try:
            while await self.serve_one(reader, writer):
                pass
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def main(file, nodes, cluster, port):
    lines = [f"name: {cluster}", "defaults: { image: cpu }", "nodes:"]
    for node in range(nodes):
        host = f"127.88.{node // 250}.{node % 250 + 1}"
        await asyncio.start_server(Engine(node).serve, host, port, limit=1 << 20, backlog=64)
        lines.append(f'  - {{ name: n{node}, docker: "tcp://{host}:{port}", addr: {address(node)} }}')
    file.write_text("\n".join(lines) + "\n")
    print("ready", flush=True)
    await asyncio.Event().wait()


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
asyncio.run(main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
