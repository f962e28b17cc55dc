"""One video as a `SequenceExample`: the only place where field names are spelled.

Context: `video/id`, `video/label` (class numbers, one or several), `video/fps`,
`video/num_frames`, `video/height`, `video/width`, `video/source`. Feature list:
`frame/jpeg`, one RGB JPEG per frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
        jpegs: one RGB JPEG per frame.
    """

    video_id: str
    labels: Sequence[int]
    fps: float
    height: int
    width: int
    source: str
    jpegs: Sequence[bytes]


def encode(record: VideoRecord) -> bytes:
    """Serializes `record`; equal records give equal bytes."""
    context = {
        VIDEO_ID: _bytes([record.video_id.encode()]),
        VIDEO_LABEL: _ints(record.labels),
        VIDEO_FPS: tf.train.Feature(float_list=tf.train.FloatList(value=[record.fps])),
        VIDEO_NUM_FRAMES: _ints([len(record.jpegs)]),
        VIDEO_HEIGHT: _ints([record.height]),
        VIDEO_WIDTH: _ints([record.width]),
        VIDEO_SOURCE: _bytes([record.source.encode()]),
    }
    frames = tf.train.FeatureList(feature=[_bytes([jpeg]) for jpeg in record.jpegs])
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list={FRAME_JPEG: frames}),
    )
    return example.SerializeToString(deterministic=True)


def parse(serialized):
    """Parses one serialized record into a dictionary of tensors, fields by name."""
    context, frames = tf.io.parse_single_sequence_example(
        serialized, context_features=_CONTEXT, sequence_features=_FRAMES
    )
    context[VIDEO_LABEL] = tf.sparse.to_dense(context[VIDEO_LABEL])
    return context | frames


def _bytes(values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _ints(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
