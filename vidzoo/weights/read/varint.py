"""Protobuf's numbers of any length, in which Caffe and TensorFlow write sizes too."""

from vidzoo.arrays import UnreadableError


def read(data, start: int, end: int | None = None) -> tuple[int, int]:
    """The number at `start`, and where what follows it begins.

    Args:
        data: bytes, or a mapped file.
        start: of the number.
        end: of what it may lie in; all of `data` unless told.

    Raises:
        UnreadableError: it does not end there, or is longer than ten bytes.
    """
    end = len(data) if end is None else end
    value = 0
    for shift in range(0, 70, 7):
        if start >= end:
            break
        byte = data[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
    raise UnreadableError(f"damaged at byte {start}: a number without end")
