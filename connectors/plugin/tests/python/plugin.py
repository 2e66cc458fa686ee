#!/usr/bin/env python3
"""A package by the protocol's letter, with another gRPC implementation: `plugin.py ROLE`.

With `manifest.yaml` beside it, it is a package.

The server listens on a private socket; two threads join it to standard input and output.
Messages are encoded by hand, so nothing but grpcio is needed.
"""

import os
import socket
import sys
import tempfile
import threading
from concurrent import futures

import grpc

CHUNK = 1 << 20
DIRECTORY = 1 << 31
SYMLINK = 1 << 27


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def blob(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def text(field, value):
    return blob(field, value) if value else b""


def read(message):
    """Fields of a message: number to list of values."""
    at, fields = 0, {}

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(message):
        key = take()
        if key & 7 == 0:
            value = take()
        elif key & 7 == 2:
            length = take()
            value, at = message[at : at + length], at + length
        else:
            raise ValueError("wire type")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def one(fields, field, default=b""):
    return fields.get(field, [default])[-1]


def config(entries):
    pairs = (read(entry) for entry in entries)
    return {one(pair, 1).decode(): one(pair, 2).decode() for pair in pairs}


def fail(words):
    raise RuntimeError(words)


class Role:
    """What the three roles share."""

    def __init__(self):
        self.root = "/"

    def init(self, request, options, flags=4):
        location = config(read(request).get(options, []))["location"]
        self.root = location.split("://", 1)[1]
        return text(1, "somewhere") + text(2, "py") + text(3, self.root)


class Importer(Role):
    """Sends children before their folders, and contents once."""

    def __init__(self):
        super().__init__()
        self.unread, self.acknowledged, self.lock = {}, 0, threading.Lock()

    def record(self, path):
        stat = os.lstat(path)
        mode, target = stat.st_mode & 0o777, ""
        if os.path.islink(path):
            mode, target = mode | SYMLINK, os.readlink(path)
        elif os.path.isdir(path):
            mode |= DIRECTORY
        regular = mode < 1 << 20
        if regular:
            with self.lock:
                self.unread[path] = True
        seconds, nanos = divmod(stat.st_mtime_ns, 10**9)
        info = text(1, os.path.basename(path) or "/") + number(2, stat.st_size) + number(3, mode)
        info += blob(4, number(1, seconds) + number(2, nanos)) + number(7, stat.st_uid) + number(8, stat.st_gid)
        return number(1, regular) + text(2, path) + text(7, target) + blob(8, info)

    def paths(self):
        for folder, folders, files in os.walk(self.root, topdown=False):
            for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                yield os.path.join(folder, name)
            yield folder
        at = self.root
        while at != "/":
            at = os.path.dirname(at)
            yield at

    def Import(self, requests, context):
        sent = 0
        for path in self.paths():
            yield blob(1, self.record(path))
            sent += 1
        xattr = number(1, 1) + text(2, self.root) + number(4, 1) + text(5, "user.note")
        with self.lock:
            self.unread["xattr"] = True
        yield blob(1, xattr)
        sent += 1
        yield blob(1, text(2, self.root + "/unreadable") + text(3, "no permission"))
        sent += 1
        yield number(2, 1)
        for request in requests:
            header = read(one(read(one(read(request), 1)), 1))
            if not (8 in header or 3 in header or one(header, 4, 0)):
                fail("missing fileinfo")
            self.acknowledged += 1
        with open(os.environ.get("PLUGIN_REPORT", os.devnull), "w") as report:
            report.write(f"{sent} {self.acknowledged}")

    def Open(self, request, context):
        record = read(one(read(request), 1))
        path = one(record, 2).decode()
        with self.lock:
            if not self.unread.pop("xattr" if one(record, 4, 0) else path, False):
                fail("file does not exist")
        if one(record, 4, 0):
            yield blob(1, b"a value")
            return
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield blob(1, chunk)

    def handlers(self):
        return "importer.Importer", {
            "Init": unary(lambda request: self.init(request, 3)),
            "Ping": unary(lambda request: b""),
            "Import": grpc.stream_stream_rpc_method_handler(self.Import),
            "Open": grpc.unary_stream_rpc_method_handler(self.Open),
            "Close": unary(lambda request: b""),
        }


class Exporter(Role):
    """Writes below its root; a root that exists is an error, as some packages have it."""

    def Export(self, requests, context):
        for request in requests:
            header = one(read(request), 1)
            record = read(header)
            if 8 not in record:
                fail("missing fileinfo")
            path, error = os.path.join(self.root, one(record, 2).decode().lstrip("/")), ""
            mode = one(read(one(record, 8)), 3, 0)
            content = b""
            while one(record, 1, 0):
                fields = read(next(requests))
                if 2 not in fields:
                    fail("expected a chunk")
                if not one(fields, 2):
                    break
                content += one(fields, 2)
            try:
                if mode & DIRECTORY:
                    os.mkdir(path)
                elif mode & SYMLINK:
                    os.symlink(one(record, 7).decode(), path)
                else:
                    with open(path, "wb") as file:
                        file.write(content)
                    os.chmod(path, mode & 0o777)
            except OSError as cause:
                error = str(cause)
            yield blob(1, blob(1, header) + text(2, error))

    def handlers(self):
        return "plakar.exporter.Exporter", {
            "Init": unary(lambda request: self.init(request, 3)),
            "Ping": unary(lambda request: b""),
            "Export": grpc.stream_stream_rpc_method_handler(self.Export),
            "Close": unary(lambda request: b""),
        }


class Store(Role):
    """One folder, a file per object; every failure is UNKNOWN with a text."""

    def path(self, fields):
        mac = one(fields, 1)
        if len(mac) != 32:
            fail("bad id")
        return os.path.join(self.root, f"{one(fields, 2, 0)}-{mac.hex()}")

    def Create(self, request):
        os.mkdir(self.root)
        with open(os.path.join(self.root, "CONFIG"), "wb") as file:
            file.write(one(read(request), 1))
        return b""

    def Open(self, request):
        with open(os.path.join(self.root, "CONFIG"), "rb") as file:
            return blob(1, file.read())

    def List(self, request):
        prefix = f"{one(read(request), 1, 0)}-"
        names = (name[len(prefix) :] for name in os.listdir(self.root) if name.startswith(prefix))
        return b"".join(blob(1, bytes.fromhex(name)) for name in names)

    def Put(self, requests, context):
        path, written = self.path(read(next(requests))), 0
        with open(path + ".new", "wb") as file:
            for request in requests:
                written += file.write(one(read(request), 3))
        os.rename(path + ".new", path.replace(".new", ""))
        return number(1, written)

    def Get(self, request, context):
        fields = read(request)
        if not os.path.exists(self.path(fields)):
            fail("file does not exist")
        offset, length = 0, 1 << 62
        if 3 in fields:
            if one(fields, 2) != 1:
                fail("unsupported operation")
            wanted = read(one(fields, 3))
            offset, length = one(wanted, 1, 0), one(wanted, 2, 0)
        with open(self.path(fields), "rb") as file:
            file.seek(offset)
            while chunk := file.read(min(CHUNK, length)):
                length -= len(chunk)
                yield blob(1, chunk)

    def Delete(self, request):
        os.remove(self.path(read(request)))
        return b""

    def handlers(self):
        return "store.Store", {
            "Init": unary(lambda request: self.init(request, 2)),
            "Create": unary(self.Create),
            "Open": unary(self.Open),
            "Ping": unary(lambda request: b""),
            "Mode": unary(lambda request: number(1, 6)),
            "Size": unary(lambda request: number(1, -1)),
            "List": unary(self.List),
            "Put": grpc.stream_unary_rpc_method_handler(self.Put),
            "Get": grpc.unary_stream_rpc_method_handler(self.Get),
            "Delete": unary(self.Delete),
            "Close": unary(lambda request: b""),
        }


def unary(work):
    return grpc.unary_unary_rpc_method_handler(lambda request, context: work(request))


def relay(source, sink):
    try:
        while data := source():
            while data:
                data = data[sink(data) :]
    except OSError:
        # The host has gone.
        pass


def main():
    role = {"importer": Importer, "exporter": Exporter, "storage": Store}[sys.argv[1]]()
    with tempfile.TemporaryDirectory() as folder:
        address = os.path.join(folder, "s")
        server = grpc.server(futures.ThreadPoolExecutor(32))
        service, handlers = role.handlers()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        server.add_insecure_port(f"unix:{address}")
        server.start()
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(address)
        out = threading.Thread(
            target=relay, args=(lambda: peer.recv(CHUNK), lambda data: os.write(1, data)), daemon=True
        )
        out.start()
        relay(lambda: os.read(0, CHUNK), peer.send)
        peer.shutdown(socket.SHUT_WR)
        server.stop(0)
    os._exit(0)


main()
