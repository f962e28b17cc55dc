"""How long the texts of an HDF5 object's attributes say they are.

HDF5 allocates a text of variable length before it looks for it, up to 4 GB for one
changed byte, and has no call that tells the length. So it is looked up here, in the
object's header: version 1, as h5py writes it by default. (HDF5 file format
specification 3.0, sections IV.A.1.a and IV.A.2.m.)
"""

import struct

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_SHARED = 2
_MAX_MESSAGES = 10_000
_REFERENCE = struct.Struct("<IQI")  # length, and the place in the heap


def text_lengths(file, address: int, attribute: str) -> list[int] | None:
    """The lengths of an attribute's texts of variable length.

    Args:
        file: the HDF5 file, open and seekable.
        address: of the object's header.
        attribute: its name.

    Returns:
        Bytes, one number per text; None if the header is of another version or damaged.
    """
    lengths = []
    try:
        for kind, flags, message in _messages(file, address):
            if kind == _ATTRIBUTE:
                name, data = _attribute(message)
                if flags & _SHARED:
                    return None
                if name == attribute.encode():
                    whole = len(data) // _REFERENCE.size * _REFERENCE.size
                    lengths += [n for n, *_ in _REFERENCE.iter_unpack(data[:whole])]
    except (struct.error, ValueError):
        return None
    return lengths or None


def _messages(file, address):
    version, _, _, _, size = _unpack(file, address, "<BBHII")
    if version != 1:
        raise ValueError("another version")
    blocks, count = [(address + 16, size)], 0
    while blocks:
        place, size = blocks.pop()
        end = place + size
        while place + 8 <= end:
            kind, length, flags = _unpack(file, place, "<HHB")
            count += 1
            if count > _MAX_MESSAGES or place + 8 + length > end:
                raise ValueError("damaged")
            message = file.read(3) and file.read(length)
            if kind == _CONTINUATION:
                blocks.append(struct.unpack_from("<QQ", message))
            yield kind, flags, message
            place += 8 + length


def _attribute(message):
    version, _, *sizes = struct.unpack_from("<BBHHH", message)
    place = 9 if version == 3 else 8
    if version == 1:
        padded = [(size + 7) // 8 * 8 for size in sizes]
    elif version in (2, 3):
        padded = sizes
    else:
        raise ValueError("another version")
    name = message[place : place + sizes[0]].partition(b"\0")[0]
    return name, message[place + sum(padded) :]


def _unpack(file, place, layout):
    file.seek(place)
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
