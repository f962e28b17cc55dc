"""CRC-32C, the checksum in TensorFlow's checkpoints, as fast as NumPy can.

A checksum goes through its bytes one after the other, but is linear: zeros in front
change nothing, and that of two texts is that of the first, moved on by as many zeros as
the second is long, in exclusive or with that of the second. So a block is cut into
short rows that go side by side, two bytes at a time, and are then joined in pairs.
"""

import functools

import numpy as np

START = 0xFFFFFFFF
_POLYNOMIAL = 0x82F63B78
_ROW, _BLOCK = 256, 2**20  # bytes
_MASK = 0xA282EAD8


def update(crc: int, data) -> int:
    """The checksum of bytes and of what was before them.

    Args:
        crc: of what was before them; `START` of nothing.
        data: bytes, or a contiguous array of them.
    """
    data = memoryview(data).cast("B")
    for start in range(0, len(data), _BLOCK):
        crc = _moved_on(crc, data[start : start + _BLOCK])
    return crc


def masked(crc: int) -> int:
    """The checksum as LevelDB keeps it: inverted, rotated, and a constant added.

    Example:
        >>> hex(masked(update(START, b"123456789")))
        '0xc78ab0e5'
    """
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def _moved_on(crc, data):
    """The checksum after some more bytes: it is as if added to the first of them."""
    if len(data) < 4:
        for byte in data:
            crc = int(_table(1)[(crc ^ byte) & 255]) ^ crc >> 8
        return crc
    num_rows = 1 << (-(-len(data) // _ROW) - 1).bit_length()
    first = int.from_bytes(data[:4], "little") ^ crc
    padding = bytes(num_rows * _ROW - len(data))
    rows = np.frombuffer(padding + first.to_bytes(4, "little") + data[4:], "<u2")
    crcs, low = np.zeros((2, num_rows), np.int64)
    for words in np.ascontiguousarray(rows.reshape(num_rows, -1).T):
        np.bitwise_and(crcs, 0xFFFF, out=low)
        np.bitwise_xor(low, words, out=low)
        crcs >>= 16
        crcs ^= _table(2).take(low)
    level = 0
    while len(crcs) > 1:
        crcs = _past_zeros(crcs[::2], level) ^ crcs[1::2]
        level += 1
    return int(crcs[0])


@functools.cache
def _table(num_bytes):
    """What one byte, or two, make of a checksum's low end."""
    crcs = np.arange(256**num_bytes)
    for _ in range(8 * num_bytes):
        crcs = crcs >> 1 ^ np.where(crcs & 1, _POLYNOMIAL, 0)
    return crcs


def _past_zeros(crcs, level):
    """Checksums moved on by 2**level rows of zeros: a sum over their four bytes."""
    parts = (t[crcs >> 8 * i & 255] for i, t in enumerate(_tables_past_zeros(level)))
    return functools.reduce(np.bitwise_xor, parts)


@functools.cache
def _tables_past_zeros(level):
    """What becomes of a checksum's bytes behind 2**level rows of zeros, one by one."""
    bits = _bits_past_zeros(level)
    tables = np.zeros((4, 256), np.int64)
    for i in range(32):
        tables[i // 8] ^= np.where(np.arange(256) >> i % 8 & 1, bits[i], 0)
    return tables


@functools.cache
def _bits_past_zeros(level):
    """What becomes of each bit of a checksum behind 2**level rows of zeros."""
    if level:
        return _past_zeros(_bits_past_zeros(level - 1), level - 1)
    bits = 1 << np.arange(32)
    for _ in range(_ROW):
        bits = _table(1)[bits & 255] ^ bits >> 8
    return bits
