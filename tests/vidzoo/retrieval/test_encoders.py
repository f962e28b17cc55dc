"""Encoders of descriptors against plain loops over what their sources define."""

import functools

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from vidzoo.retrieval import VLAD, BagOfWords, FisherVector, learn_codebook
from vidzoo.retrieval import vocabulary as vocabularies

N, L, D, M = 5, 40, 6, 7


def drawn(seed=0, shape=(N, L, D)):
    x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture
def descriptors():
    return drawn()


@pytest.fixture
def codebook():
    return drawn(1, (M, D)) * 0.9


def nearest(x, codebook):
    return min(range(len(codebook)), key=lambda m: ((x - codebook[m]) ** 2).sum())


def normalized(blocks, normalization):
    """A list of words' blocks, as section 2.3.3 has it, and unit length."""
    if normalization == "ssr":
        blocks = [np.sign(b) * np.abs(b) ** 0.5 for b in blocks]
    if normalization == "intra":
        blocks = [b / np.linalg.norm(b) if b.any() else b for b in blocks]
    vector = np.concatenate(blocks)
    return vector / np.linalg.norm(vector)


def vlad_by_loop(image, codebook, normalization):
    """Equation 2.1, a descriptor at a time, in float64."""
    image, codebook = image.astype(float), codebook.astype(float)
    blocks = [np.zeros(codebook.shape[1]) for _ in codebook]
    for x in image:
        word = nearest(x, codebook)
        blocks[word] += x - codebook[word]
    return normalized(blocks, normalization)


@pytest.mark.parametrize("normalization", ["intra", "ssr", None])
def test_vlad_is_equation_2_1(descriptors, codebook, normalization):
    found = VLAD(codebook, normalization)(descriptors)
    expected = [vlad_by_loop(image, codebook, normalization) for image in descriptors]
    assert found.shape == (N, M * D) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_many_images_in_several_parts_are_encoded_as_one_by_one():
    descriptors, codebook = drawn(2, (9, 1700, D)), drawn(3, (M, D))
    encode = VLAD(codebook)
    alone = np.concatenate([encode(image[None]) for image in descriptors])
    np.testing.assert_allclose(encode(descriptors), alone, atol=1e-6)
    expected = [vlad_by_loop(image, codebook, "intra") for image in descriptors[:2]]
    np.testing.assert_allclose(alone[:2], expected, atol=1e-5)


def test_words_have_unit_length_after_intra_normalization(descriptors, codebook):
    blocks = VLAD(codebook, "intra")(descriptors).reshape(N, M, D)
    lengths = np.linalg.norm(blocks, axis=-1)
    used = lengths > 0
    assert used.any(axis=1).all()
    # All alike, and 1 before the whole is brought to unit length.
    expected = used / np.sqrt(used.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(lengths, expected, atol=1e-6)


@pytest.mark.parametrize("normalization", ["intra", "ssr", None])
def test_a_word_near_to_nothing_gets_zeros(descriptors, codebook, normalization):
    codebook[3] = 100
    blocks = VLAD(codebook, normalization)(descriptors).reshape(N, M, D)
    assert not blocks[:, 3].any()
    assert blocks.any(axis=(1, 2)).all()


@pytest.mark.parametrize("kind", [VLAD, BagOfWords, FisherVector])
def test_order_and_length(kind, descriptors):
    encode = kind.learn(descriptors.reshape(-1, D), 4, seed=1)
    found = encode(descriptors)
    assert found.shape == (N, encode.size) and encode.num_words == 4
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    order = np.random.default_rng(5).permutation(L)
    np.testing.assert_allclose(encode(descriptors[:, order]), found, atol=1e-5)
    changed = descriptors.copy()
    changed[:, : L // 2] *= -1
    assert np.abs(encode(changed) - found).max() > 0.01


@pytest.mark.parametrize("kind", [VLAD, BagOfWords, FisherVector])
def test_arrays_give_the_encoder_back(kind, descriptors):
    encode = kind.learn(descriptors.reshape(-1, D), 4, normalization="ssr")
    again = kind.from_arrays(encode.arrays(), encode.normalization)
    np.testing.assert_array_equal(again(descriptors), encode(descriptors))


def test_alike_descriptors_that_are_a_word_leave_nothing():
    """Sums of many equal numbers round; the residual of none of them may show."""
    word = drawn(4, (1, D))
    image = np.repeat(word[None], 1000, axis=1)
    assert not VLAD(word)(image).any()


def test_no_image_and_no_descriptor(codebook):
    assert VLAD(codebook)(np.zeros((0, L, D))).shape == (0, M * D)
    assert not VLAD(codebook)(np.zeros((2, 0, D))).any()


@pytest.mark.parametrize("normalization", ["ssr", None])
def test_bag_of_words_counts(descriptors, codebook, normalization):
    found = BagOfWords(codebook, normalization)(descriptors)
    for image, vector in zip(descriptors, found, strict=True):
        counts = np.zeros(M)
        for x in image:
            counts[nearest(x, codebook)] += 1
        expected = normalized([counts], normalization)
        np.testing.assert_allclose(vector, expected, atol=1e-6)


def fisher_by_loop(image, weights, means, variances, normalization):
    """Perronnin et al. 2010, equations 6 and 7, a descriptor and word at a time."""
    by_mean, by_deviation = np.zeros((2, *means.shape))
    for x in image:
        density = np.prod(
            np.exp(-((x - means) ** 2) / (2 * variances))
            / np.sqrt(2 * np.pi * variances),
            axis=1,
        )
        posterior = weights * density / (weights * density).sum()
        for m, p in enumerate(posterior):
            by_mean[m] += p * (x - means[m]) / np.sqrt(variances[m])
            by_deviation[m] += p * ((x - means[m]) ** 2 / variances[m] - 1)
    by_mean /= len(image) * np.sqrt(weights)[:, None]
    by_deviation /= len(image) * np.sqrt(2 * weights)[:, None]
    return normalized(list(np.hstack([by_mean, by_deviation])), normalization)


@pytest.mark.parametrize("normalization", ["intra", "ssr", None])
def test_fisher_vector_is_its_formula_of_scikit_learns_mixture(
    descriptors, normalization
):
    flat = descriptors.reshape(-1, D)
    mixture = GaussianMixture(3, covariance_type="diag", random_state=0).fit(flat)
    parts = (mixture.weights_, mixture.means_, mixture.covariances_)
    encode = FisherVector(*parts, normalization)
    expected = [
        fisher_by_loop(image.astype(float), *parts, normalization)
        for image in descriptors
    ]
    np.testing.assert_allclose(encode(descriptors), expected, atol=2e-4)
    squares = np.square(descriptors[0])
    np.testing.assert_allclose(
        encode._posteriors(descriptors[0], squares),
        mixture.predict_proba(descriptors[0]),
        atol=1e-4,
    )


def test_words_are_the_clusters_and_seeded():
    centres = 10 * np.eye(4, D)
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((400, D))
    sample = (centres[rng.integers(0, 4, 400)] + noise).astype(np.float32)
    found = learn_codebook(sample, 4, seed=3)
    found = found[np.argsort(-found.argmax(axis=1))[::-1]]
    np.testing.assert_allclose(found, centres, atol=0.1)
    again = learn_codebook(sample, 4, seed=3)
    assert again.tobytes() == learn_codebook(sample, 4, seed=3).tobytes()
    weights, means, variances = vocabularies.learn_mixture(sample, 4, seed=3)
    np.testing.assert_allclose(np.sort(means.max(axis=1)), 10, atol=0.1)
    np.testing.assert_allclose(variances, 0.01, atol=0.005)
    assert weights.sum() == pytest.approx(1)


def test_a_mixture_that_does_not_settle_is_a_line_of_the_log(monkeypatch, caplog):
    """In place of scikit-learn's warning, which is an error in these tests."""
    hasty = functools.partial(GaussianMixture, max_iter=2)
    monkeypatch.setattr("sklearn.mixture.GaussianMixture", hasty)
    FisherVector.learn(drawn(0, (300, D)), 9)
    assert [(r.name, r.getMessage()) for r in caplog.records] == [
        (
            "vidzoo",
            "9 words have not settled in 2 steps and are taken as they are; fewer of "
            "them (num_words), or more images, settle sooner",
        )
    ]


def test_more_words_than_different_descriptors_are_a_line_of_the_log(caplog):
    """Of pictures that are flat, say."""
    descriptors = drawn(0, (3, D)).repeat(10, axis=0)
    encode = FisherVector.learn(descriptors, 5)
    assert np.isfinite(encode(descriptors[None])).all()
    assert [(r.name, r.getMessage()) for r in caplog.records] == [
        (
            "vidzoo",
            "5 words of 3 different descriptors: some words stay empty; learn fewer "
            "(num_words), or of more images",
        )
    ]
    caplog.clear()
    FisherVector.learn(drawn(1, (300, D)), 2)
    assert not caplog.records


@pytest.mark.parametrize("kind", [VLAD, BagOfWords, FisherVector])
def test_more_words_than_descriptors(kind):
    message = "`num_words` is 9, but there are 8 descriptors .* Give 8 or fewer"
    with pytest.raises(ValueError, match=message):
        kind.learn(drawn(0, (8, D)), 9)
    with pytest.raises(ValueError, match="`num_words` must be >= 1. Received: 0"):
        kind.learn(drawn(0, (8, D)), 0)


def test_other_shapes_are_refused(descriptors, codebook):
    with pytest.raises(ValueError, match=r"\(N, L, 6\).*shape: \(5, 40, 5\)"):
        VLAD(codebook)(descriptors[..., :5])
    with pytest.raises(ValueError, match=r"\(N, L, 6\).*shape: \(40, 6\)"):
        BagOfWords(codebook)(descriptors[0])
    with pytest.raises(ValueError, match=r"`codebook` must be \(M, D\).*\(6,\)"):
        VLAD(codebook[0])
    with pytest.raises(ValueError, match=r"Received: \(6,\), \(7, 6\) and \(7, 6\)"):
        FisherVector(np.ones(6), codebook, np.ones((7, 6)))
    with pytest.raises(ValueError, match="above zero. Received: down to 1.0 and 0.0"):
        FisherVector(np.ones(7), codebook, np.zeros((7, 6)))


def test_unknown_normalization(codebook):
    with pytest.raises(ValueError, match=r"\('intra', 'ssr', None\). Received: 'l1'"):
        VLAD(codebook, "l1")
    with pytest.raises(ValueError, match=r"\('ssr', None\). Received: 'intra'"):
        BagOfWords(codebook, "intra")
