"""The little of ASN.1 BER that SNMP v2c needs: decode a request, encode a response.

Source: RFC 1901 (message), RFC 3416 (PDUs), RFC 2578 §7.1 (value types), X.690 §8 (encoding).
"""

from __future__ import annotations

from dataclasses import dataclass

Oid = tuple[int, ...]

INTEGER, OCTETS, NULL, OBJECT_IDENTIFIER, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER32, GAUGE32, TIMETICKS, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x46
GET, GETNEXT, RESPONSE, SET, GETBULK = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = b"\x80\x00", b"\x81\x00", b"\x82\x00"
VERSION_2C = 1


class Malformed(ValueError):
    """The datagram is not an SNMP v2c request."""


@dataclass(frozen=True)
class Request:
    """A decoded request. `first` and `second` are error-status and error-index, or for GETBULK non-repeaters and
    max-repetitions."""

    community: bytes
    kind: int
    request_id: int
    first: int
    second: int
    oids: tuple[Oid, ...]


def oid(text: str) -> Oid:
    """`oid("1.3.6.1")` is `(1, 3, 6, 1)`; a leading dot is allowed."""
    return tuple(int(arc) for arc in text.strip(".").split("."))


def encode(tag: int, content: bytes) -> bytes:
    """One tag-length-value."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """An INTEGER, or with another tag a Counter32, Gauge32, TimeTicks or Counter64."""
    size = value.bit_length() // 8 + 1
    return encode(tag, value.to_bytes(size, "big", signed=True))


def text(value: str | bytes) -> bytes:
    """An OCTET STRING."""
    return encode(OCTETS, value.encode() if isinstance(value, str) else value)


def object_identifier(value: Oid) -> bytes:
    """An OBJECT IDENTIFIER."""
    content = bytearray()
    for arc in (value[0] * 40 + value[1], *value[2:]):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return encode(OBJECT_IDENTIFIER, bytes(content))


def encode_response(request: Request, bindings: list[tuple[Oid, bytes]], status: int = 0, index: int = 0) -> bytes:
    """The datagram that answers a request with variable bindings (value already encoded) and an error status."""
    listed = b"".join(encode(SEQUENCE, object_identifier(name) + value) for name, value in bindings)
    body = integer(request.request_id) + integer(status) + integer(index) + encode(SEQUENCE, listed)
    return encode(SEQUENCE, integer(VERSION_2C) + encode(OCTETS, request.community) + encode(RESPONSE, body))


def decode_request(datagram: bytes) -> Request:
    """Read a request.

    Raises:
        Malformed: not BER, not SNMP, or another version than v2c.
    """
    try:
        return _decode_request(datagram)
    except IndexError as error:
        raise Malformed("truncated") from error


def _decode_request(datagram: bytes) -> Request:
    message, _ = _expect(datagram, 0, SEQUENCE)
    version, at = _expect(message, 0, INTEGER)
    if _signed(version) != VERSION_2C:
        raise Malformed("only SNMP v2c is spoken here")
    community, at = _expect(message, at, OCTETS)
    kind, body, _ = _read(message, at)
    request_id, at = _expect(body, 0, INTEGER)
    first, at = _expect(body, at, INTEGER)
    second, at = _expect(body, at, INTEGER)
    listed, _ = _expect(body, at, SEQUENCE)
    return Request(community, kind, _signed(request_id), _signed(first), _signed(second), _names(listed))


def _names(listed: bytes) -> tuple[Oid, ...]:
    names, at = [], 0
    while at < len(listed):
        binding, at = _expect(listed, at, SEQUENCE)
        name, _ = _expect(binding, 0, OBJECT_IDENTIFIER)
        names.append(_oid(name))
    return tuple(names)


def _read(data: bytes, at: int) -> tuple[int, bytes, int]:
    tag, size = data[at], data[at + 1]
    at += 2
    if size & 0x80:
        width = size & 0x7F
        size = int.from_bytes(data[at : at + width], "big")
        at += width
    if at + size > len(data):
        raise Malformed("truncated")
    return tag, data[at : at + size], at + size


def _expect(data: bytes, at: int, tag: int) -> tuple[bytes, int]:
    found, content, end = _read(data, at)
    if found != tag:
        raise Malformed(f"tag {found:#x} where {tag:#x} belongs")
    return content, end


def _signed(content: bytes) -> int:
    return int.from_bytes(content, "big", signed=True)


def _oid(content: bytes) -> Oid:
    arcs, arc = [], 0
    for byte in content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs:
        raise Malformed("an empty object identifier")
    return (min(arcs[0] // 40, 2), arcs[0] - 40 * min(arcs[0] // 40, 2), *arcs[1:])
