"""A gRPC call by hand: frames and headers that no gRPC client would send."""

from __future__ import annotations

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
SECONDS = 20.0


def call(port: int, method: str, metadata: dict[str, str]) -> bytes:
    """Send an empty message to a method of KServe's service on this machine; everything that comes back."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/inference.GRPCInferenceService/{method}",
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **metadata,
    }
    block = b"".join(_literal(name, value) for name, value in fields.items())
    frames = (
        _frame(SETTINGS, 0, 0, b"") + _frame(HEADERS, END_HEADERS, 1, block) + _frame(DATA, END_STREAM, 1, bytes(5))
    )
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(PREFACE + frames)
        while b"grpc-status" not in answer and (received := connection.recv(65536)):
            answer += received
    return answer


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header as RFC 7541, 6.2.2 has it: a literal that is not indexed, without Huffman coding."""
    assert len(name) < 127
    assert len(value) < 127
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
