"""One video as a `SequenceExample`: the only place where field names are spelled.

Context: `video/id`, `video/label` (class numbers, one or several), `video/fps`,
`video/num_frames`, `video/height`, `video/width`, `video/source`. Feature list:
`frame/jpeg`, one RGB JPEG per frame.

Where flow was computed, the context also has `flow/bound` (pixels), `flow/method` and
`flow/fps` (1 / seconds between a field's two frames), and there are two more feature
lists, `flow/x` and `flow/y`: grey 8-bit PNGs or JPEGs. Entry t is the flow that starts
at frame t; the entries of the last frames, whose flow would end past the video, are
empty.

Records of features, computed of each frame by a network, have no images. They have the
feature list `frame/feature` instead, per frame the bytes of little-endian float32 of
the shape that the context tells, `feature/shape`; height and width are 0.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

SCHEMA_VERSION = 1

VIDEO_ID = "video/id"
VIDEO_LABEL = "video/label"
VIDEO_FPS = "video/fps"
VIDEO_NUM_FRAMES = "video/num_frames"
VIDEO_HEIGHT = "video/height"
VIDEO_WIDTH = "video/width"
VIDEO_SOURCE = "video/source"
FRAME_JPEG = "frame/jpeg"
FLOW_BOUND = "flow/bound"
FLOW_METHOD = "flow/method"
FLOW_FPS = "flow/fps"
FLOW_X = "flow/x"
FLOW_Y = "flow/y"
FEATURE_SHAPE = "feature/shape"
FRAME_FEATURE = "frame/feature"

_CONTEXT = {
    VIDEO_ID: tf.io.FixedLenFeature([], tf.string),
    VIDEO_LABEL: tf.io.VarLenFeature(tf.int64),
    VIDEO_FPS: tf.io.FixedLenFeature([], tf.float32),
    VIDEO_NUM_FRAMES: tf.io.FixedLenFeature([], tf.int64),
    VIDEO_HEIGHT: tf.io.FixedLenFeature([], tf.int64),
    VIDEO_WIDTH: tf.io.FixedLenFeature([], tf.int64),
    VIDEO_SOURCE: tf.io.FixedLenFeature([], tf.string),
}
_FRAMES = {FRAME_JPEG: tf.io.FixedLenSequenceFeature([], tf.string)}
_FLOW_CONTEXT = {
    FLOW_BOUND: tf.io.FixedLenFeature([], tf.float32),
    FLOW_METHOD: tf.io.FixedLenFeature([], tf.string),
    FLOW_FPS: tf.io.FixedLenFeature([], tf.float32),
}
_FIELDS = {
    FLOW_X: tf.io.FixedLenSequenceFeature([], tf.string),
    FLOW_Y: tf.io.FixedLenSequenceFeature([], tf.string),
}
_FEATURE_CONTEXT = {FEATURE_SHAPE: tf.io.VarLenFeature(tf.int64)}
_FEATURES = {FRAME_FEATURE: tf.io.FixedLenSequenceFeature([], tf.string)}

# Field numbers of tensorflow/core/example/{example,feature}.proto.
_EXAMPLE_LISTS = 2  # SequenceExample.feature_lists
_LISTS_ENTRY = 1  # FeatureLists.feature_list, a map of the next two
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_LIST_FEATURE = 1  # FeatureList.feature
_FEATURE_BYTES = 1  # Feature.bytes_list
_BYTES_VALUE = 1  # BytesList.value

_HEADER_BYTES = 20  # a field's tag and length: two varints of at most ten bytes
_READ_BYTES = 64  # several headers lie side by side at the start of each frame


@dataclass(frozen=True)
class Flow:
    """The flow of one video.

    Attributes:
        x: one grey 8-bit image for each of the first frames.
        y: likewise.
        bound: pixels that byte 255 stands for.
        method: by which it was computed.
        fps: 1 / seconds between the two frames of a field; 0 if the video does not say.
    """

    x: Sequence[bytes]
    y: Sequence[bytes]
    bound: float
    method: str
    fps: float


@dataclass(frozen=True)
class Features:
    """The features of one video.

    Attributes:
        shape: F, of one frame's features.
        values: of each frame, as bytes of little-endian float32.
    """

    shape: Sequence[int]
    values: Sequence[bytes]


@dataclass(frozen=True)
class VideoRecord:
    """What one record holds.

    Attributes:
        video_id: unique in its data set.
        labels: class numbers.
        fps: frames per second of `jpegs`; 0 if the video does not say.
        height: pixels.
        width: pixels.
        source: the video's path relative to its data set's root.
        jpegs: one RGB JPEG per frame; none where there are features.
        flow: of its first frames, where it was computed.
        features: in place of images.
    """

    video_id: str
    labels: Sequence[int]
    fps: float
    height: int
    width: int
    source: str
    jpegs: Sequence[bytes]
    flow: Flow | None = None
    features: Features | None = None

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.jpegs if self.features is None else self.features.values)


def encode(record: VideoRecord) -> bytes:
    """Serializes `record`; equal records give equal bytes."""
    context = {
        VIDEO_ID: _bytes([record.video_id.encode()]),
        VIDEO_LABEL: _ints(record.labels),
        VIDEO_FPS: _float(record.fps),
        VIDEO_NUM_FRAMES: _ints([record.num_frames]),
        VIDEO_HEIGHT: _ints([record.height]),
        VIDEO_WIDTH: _ints([record.width]),
        VIDEO_SOURCE: _bytes([record.source.encode()]),
    }
    if record.features is None:
        lists = {FRAME_JPEG: _list(record.jpegs)}
    else:
        context[FEATURE_SHAPE] = _ints(record.features.shape)
        lists = {FRAME_FEATURE: _list(record.features.values)}
    if record.flow is not None:
        context |= {
            FLOW_BOUND: _float(record.flow.bound),
            FLOW_METHOD: _bytes([record.flow.method.encode()]),
            FLOW_FPS: _float(record.flow.fps),
        }
        empty = [b""] * (len(record.jpegs) - len(record.flow.x))
        lists[FLOW_X] = _list([*record.flow.x, *empty])
        lists[FLOW_Y] = _list([*record.flow.y, *empty])
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    )
    return example.SerializeToString(deterministic=True)


def parse(serialized, *, has_flow: bool = False, has_features: bool = False):
    """Parses one serialized record into a dictionary of tensors, fields by name.

    Args:
        serialized: the record.
        has_flow: whether the fields of flow are wanted, which must then be there.
        has_features: whether the record is one of features, in place of images.
    """
    context_fields, lists = dict(_CONTEXT), _FEATURES if has_features else _FRAMES
    if has_flow:
        context_fields, lists = context_fields | _FLOW_CONTEXT, lists | _FIELDS
    if has_features:
        context_fields |= _FEATURE_CONTEXT
    context, frames = tf.io.parse_single_sequence_example(
        serialized, context_features=context_fields, sequence_features=lists
    )
    for name in {VIDEO_LABEL, FEATURE_SHAPE} & context.keys():
        context[name] = tf.sparse.to_dense(context[name])
    return context | frames


def image_spans(
    read: Callable[[int, int], bytes], num_bytes: int, name: str = FRAME_JPEG
) -> np.ndarray:
    """Finds each image of a feature list in a serialized record without reading it.

    Args:
        read: `read(start, size)` gives that part of the record, cut at its end.
        num_bytes: length of the record.
        name: `FRAME_JPEG`, `FLOW_X`, `FLOW_Y` or `FRAME_FEATURE`.

    Returns:
        uint32 `(T, 2)`: first byte and length of each image; of an empty entry, whose
        length is 0, too.

    Raises:
        ValueError: the bytes are no record, or an entry is not one string of bytes.
    """
    header = _read_ahead(read)
    spans = []
    for lists in _messages(header, 0, num_bytes, _EXAMPLE_LISTS):
        for entry in _messages(header, *lists, _LISTS_ENTRY):
            fields = {number: span for number, *span in _fields(header, *entry)}
            start, end = fields.get(_ENTRY_KEY, (0, 0))
            if read(start, end - start) == name.encode():
                frames = fields.get(_ENTRY_VALUE, (0, 0))
                for feature in _messages(header, *frames, _LIST_FEATURE):
                    spans.append(_only_value(header, *feature))
    return np.array(spans, np.uint32).reshape(-1, 2)


def _only_value(header, start, end):
    """First byte and length of the one value in a `Feature` of bytes."""
    values = [
        (first, last - first)
        for bytes_list in _messages(header, start, end, _FEATURE_BYTES)
        for first, last in _messages(header, *bytes_list, _BYTES_VALUE)
    ]
    if len(values) != 1:
        raise ValueError(f"a frame of {len(values)} values at byte {start}")
    return values[0]


def _messages(header, start, end, number):
    """Yields `(start, end)` of every field called `number` in bytes start to end."""
    for found, first, last in _fields(header, start, end):
        if found == number:
            yield first, last


def _fields(header, start, end) -> Iterator[tuple[int, int, int]]:
    """Yields `(number, start, end)` of a message's strings and messages, in order."""
    while start < end:
        field_header = header(start)
        tag, used = _varint(field_header, 0)
        number, wire_type = tag >> 3, tag & 7
        size = 0
        if wire_type == 0:  # a number, of no interest here; as are 1 and 5
            _, used = _varint(field_header, used)
        elif wire_type == 2:
            size, used = _varint(field_header, used)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        first, last = start + used, start + used + size
        if number == 0 or wire_type not in (0, 1, 2, 5) or last > end:
            raise ValueError(f"no field of a record at byte {start}")
        if wire_type == 2:
            yield number, first, last
        start = last


def _varint(data, position):
    """The number that starts at `position`, and the position after it."""
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError("a number without an end")


def _read_ahead(read):
    """`header(start)`: `_HEADER_BYTES` bytes from `start`, in fewer calls of `read`."""
    first, held = 0, b""

    def header(start):
        nonlocal first, held
        if not first <= start <= first + len(held) - _HEADER_BYTES:
            first, held = start, read(start, _READ_BYTES)
        return held[start - first : start - first + _HEADER_BYTES]

    return header


def _bytes(values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _list(values):
    return tf.train.FeatureList(feature=[_bytes([value]) for value in values])


def _float(value):
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def _ints(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
