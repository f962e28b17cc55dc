"""Batches of two frames and the flow between them, from data sets of flow on disk.

A batch is a dictionary, as clips have it: `rgb` uint8 `(N, 1, H, W, 6)`, a frame and
the next one; `flow_target` float32 `(N, 1, H, W, 2)`, pixels, NaN where the flow is
unknown or does not count; `label` int32 `(N,)`, zeros; `video_id` string `(N,)`, the
names of the pairs. `checked` turns TensorFlow's errors into ours: a damaged file, or
flow of another size than its frames, is a FlowError that names it.
"""

import functools

import numpy as np
import tensorflow as tf

from vidzoo_data import python_calls
from vidzoo_data.clips import geometry, stream
from vidzoo_data.flow import datasets

_MULTIPLE = 32  # pixels: networks halve their input five times


def pair_batches(
    dataset: datasets.FlowDataset,
    *,
    size: int,
    batch_size: int,
    num_steps: int,
    augmentation: geometry.Similarity | None = None,
    first_step: int = 0,
    seed: int = 0,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Batches to train on, a fresh permutation of the pairs in every pass.

    The run is one stream of pairs, as that of `training_batches`: passes follow each
    other without a gap, and step n's batch depends on the seed and n alone.

    Args:
        dataset: as `flying_chairs` or `sintel` list it.
        size: H and W.
        batch_size: N.
        num_steps: the run's length in batches.
        augmentation: how each pair is moved; None for the square in the middle, which
            is enlarged where the frame is smaller.
        first_step: batches already trained on.
        seed: of the permutations and the moves.
        workers: pairs read at once; as many as there are cores by default.
    """
    count = len(dataset.pairs)

    @functools.lru_cache(maxsize=4)
    def order(epoch):
        return np.random.default_rng([seed, epoch]).permutation(count)

    def plan(place):
        epoch, index = divmod(place, count)
        return order(epoch)[index], stream.seed_of(seed, "pair", place)

    def matrix(height, width, move_seed):
        if augmentation is None:
            return geometry.centre_window(height, width, size)
        return augmentation.matrix(height, width, size, move_seed)

    places = tf.data.Dataset.range(first_step * batch_size, num_steps * batch_size)
    pairs = _windows(dataset, places, plan, matrix, size, workers)
    return pairs.batch(batch_size).prefetch(2)


def center_pair_batches(
    dataset: datasets.FlowDataset,
    *,
    size: int,
    batch_size: int,
    workers: int | None = None,
) -> tf.data.Dataset:
    """The square in the middle of each pair, in order; the last batch may be smaller.

    Args: as `pair_batches`.
    """
    pairs = _windows(
        dataset,
        tf.data.Dataset.range(len(dataset.pairs)),
        lambda place: (place, np.zeros(2, np.int64)),
        lambda height, width, _: geometry.centre_window(height, width, size),
        size,
        workers,
    )
    return pairs.batch(batch_size).prefetch(2)


def whole_pair_batches(
    dataset: datasets.FlowDataset, *, batch_size: int, workers: int | None = None
) -> tf.data.Dataset:
    """Whole pairs, in order; the last batch may be smaller.

    Frames are padded to a multiple of 32 pixels, at the bottom and on the right, by
    their border pixels; the flow there is NaN and so does not count. Where frames of a
    batch differ in size, the smaller ones are padded further, in black.

    Args: as `pair_batches`.
    """

    @tf.autograph.experimental.do_not_convert
    def element(place):
        images, flow, _, name = _read(dataset, lambda p: (p, (0, 0)), place, _padded)
        return _element(images, flow, name)

    pairs = tf.data.Dataset.range(len(dataset.pairs)).map(
        element, num_parallel_calls=workers or tf.data.AUTOTUNE, deterministic=True
    )
    padding = dict.fromkeys(pairs.element_spec) | {"flow_target": float("nan")}
    return pairs.padded_batch(batch_size, padding_values=padding).prefetch(2)


def _windows(dataset, places, plan, matrix, size, workers):
    """One pair for each place, moved by `matrix(height, width, seed)`."""

    @tf.autograph.experimental.do_not_convert
    def element(place):
        images, flow, seed, name = _read(dataset, plan, place)
        height, width = tf.unstack(tf.shape(flow)[:2])
        moves = matrix(height, width, seed)
        images = geometry.transformed(images, moves, size)
        flow = geometry.transformed_flow(flow[None], moves, size)[0]
        return _element(images, flow, name)

    parallel = workers or tf.data.AUTOTUNE
    return places.map(element, num_parallel_calls=parallel, deterministic=True)


def _read(dataset, plan, place, prepared=lambda images, flow: (images, flow)):
    """The pair at a place: uint8 `(2, H, W, 3)`, float32 `(H, W, 2)`, seed, name."""

    def read(place):
        index, seed = plan(int(place))
        pair = dataset.pairs[index]
        sample = datasets.read_sample(pair)
        images = np.stack([sample.frame, sample.next_frame])
        flow = sample.flow
        flow[~sample.valid] = np.nan
        images, flow = prepared(images, flow)
        return images, flow, np.array(seed, np.int64), pair.name.encode()

    types = (tf.uint8, tf.float32, tf.int64, tf.string)
    answers = python_calls.numpy_function(read, [place], types)
    shapes = ([2, None, None, 3], [None, None, 2], [2], [])
    return tuple(map(tf.ensure_shape, answers, shapes))


def _padded(images, flow):
    height, width = flow.shape[:2]
    edges = ((0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0))
    images = np.pad(images, ((0, 0), *edges), mode="edge")
    return images, np.pad(flow, edges, constant_values=np.nan)


def _element(images, flow, name):
    return {
        "rgb": tf.concat([images[0], images[1]], axis=-1)[None],
        "flow_target": flow[None],
        "label": tf.constant(0, tf.int32),
        "video_id": name,
    }
