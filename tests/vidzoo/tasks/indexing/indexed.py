"""What tests of indexing share: pictures, weights, and what an index holds."""

import cv2
import keras
import numpy as np

from vidzoo import models
from vidzoo.retrieval import IndexFile
from vidzoo.weights import save_weights

FLAGS = (
    *("--network=toy", "--layer=res3", "--size=32", "--num_words=4"),
    *("--scales=1,2", "--batch_size=3"),
)
ONE = (*FLAGS, "--scales=1")


def picture(seed, height=48, width=64):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.normalize(
        cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX
    )


def write_picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture(seed))


def write_weights(path, seed, backbone="toy"):
    keras.utils.set_random_seed(seed)
    tsn = models.TSN(4, backbone=backbone, frame_shape=(32, 32, 3))
    variant = {"toy": "v1", "resnet18": "v1.5"}[backbone]
    save_weights(path, tsn, network="tsn", backbone=backbone, variant=variant)


def ids(path="pictures.index"):
    return [entry.entry_id for entry in IndexFile.load(path).entries]


def clear(found):
    return [[row["id"] for row in answer["results"]] for answer in found]
