"""The whole way from images to vectors, part by part and streamed."""

import json

import keras
import numpy as np
import pytest

from vidzoo.retrieval import VLAD, Encoder, Features, Sample, Whitening


@pytest.fixture(scope="module")
def features():
    keras.utils.set_random_seed(0)
    return Features("toy", ["res2", "res3"], scales=(1, 2), size=32)


@pytest.fixture(scope="module")
def images():
    """Twelve, at both scales."""
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (12, 64, 64, 3), np.uint8)
    return large[:, ::2, ::2], large


def batches(images, step=5):
    def read():
        for i in range(0, len(images[0]), step):
            yield tuple(pixels[i : i + step] for pixels in images)

    return read


@pytest.fixture(scope="module")
def encoder(features, images):
    return Encoder.fit(features, batches(images), num_words=3, dimension=4, seed=2)


def test_it_is_its_parts_one_after_the_other(encoder, features, images):
    found = features(images)
    parts = []
    for key in features.keys:
        descriptors = found[key]
        sample = Sample(50_000, 2)
        sample.add(descriptors.reshape(-1, descriptors.shape[-1]))
        parts.append(VLAD.learn(sample.rows(), 3, seed=2)(descriptors))
    vectors = np.concatenate(parts, axis=1) / np.sqrt(len(parts))
    expected = Whitening.fit([vectors], 4)(vectors)
    encoded = encoder(images)
    signs = np.sign((encoded * expected).sum(axis=0))
    np.testing.assert_allclose(encoded * signs, expected, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), 1, atol=1e-5)
    assert encoded.shape == (12, 4) and encoder.size == 4


def test_batches_do_not_matter(encoder, images):
    whole = encoder(images)
    for step in (1, 5):
        streamed = np.concatenate(list(encoder.encode(batches(images, step)())))
        np.testing.assert_allclose(streamed, whole, atol=1e-4)


def test_one_batch_is_in_memory_at_a_time(encoder, images):
    read = []

    def reading():
        for batch in batches(images, 4)():
            read.append(1)
            yield batch

    for count, vectors in enumerate(encoder.encode(reading()), start=1):
        assert len(read) == count and len(vectors) == 4


def test_arrays_and_description_give_it_back(encoder, features, images):
    text = json.dumps(encoder.description())
    again = Encoder.from_arrays(features, encoder.arrays(), json.loads(text))
    np.testing.assert_array_equal(again(images), encoder(images))
    assert again.description() == encoder.description()


def test_what_a_vector_depends_on_is_in_the_description(features, images, encoder):
    seen = {json.dumps(encoder.description(), sort_keys=True)}
    for changes in (
        {"seed": 3},
        {"num_words": 2},
        {"dimension": 3},
        {"dimension": None},
        {"normalization": "ssr"},
        {"aggregation": "bag_of_words", "normalization": None},
    ):
        arguments = {"num_words": 3, "dimension": 4, "seed": 2} | changes
        other = Encoder.fit(features, batches(images), **arguments)
        seen.add(json.dumps(other.description(), sort_keys=True))
    assert len(seen) == 7


@pytest.mark.parametrize(
    "aggregation, size", [("bag_of_words", 3), ("fisher_vector", 2 * 3 * 16)]
)
def test_other_aggregations(aggregation, size, images):
    features = Features("toy", ["res2"], size=32)
    read = batches(images[:1])
    encoder = Encoder.fit(
        features, read, aggregation=aggregation, num_words=3, normalization="ssr"
    )
    assert encoder(images[:1]).shape == (12, size) and encoder.size == size
    assert encoder.description()["aggregation"] == aggregation
    again = Encoder.from_arrays(features, encoder.arrays(), encoder.description())
    np.testing.assert_array_equal(again(images[0]), encoder(images[0]))


def test_of_other_weights(encoder, images):
    others = Features("toy", ["res2", "res3"], scales=(1, 2), size=32)
    message = "differs from the one described: weights_sha256: .* here, .* there"
    with pytest.raises(ValueError, match=message):
        Encoder.from_arrays(others, encoder.arrays(), encoder.description())


def test_of_other_arrays(encoder, features):
    arrays = encoder.arrays()
    arrays["res2@1/codebook"] = arrays["res2@1/codebook"] + 1
    with pytest.raises(ValueError, match="differs .* learned_sha256: "):
        Encoder.from_arrays(features, arrays, encoder.description())


def test_too_few_images_or_descriptors(features, images):
    few = tuple(pixels[:3] for pixels in images)
    with pytest.raises(ValueError, match="1 to 2, the largest possible: these 3 "):
        Encoder.fit(features, batches(few), num_words=3, dimension=128)
    with pytest.raises(ValueError, match="`num_words` is 1000, but there are 192 desc"):
        Encoder.fit(features, batches(few), num_words=1000)
    with pytest.raises(ValueError, match="one of .'vlad', .* Received: 'gem'"):
        Encoder.fit(features, batches(few), aggregation="gem")
