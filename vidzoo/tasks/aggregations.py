"""How the verbs name the encoders of `vidzoo.retrieval` and their normalisations."""

from vidzoo.errors import UsageError
from vidzoo.retrieval import bag_of_words
from vidzoo.retrieval import normalization as normalizations

AGGREGATIONS = {"vlad": "vlad", "bow": "bag_of_words", "fisher": "fisher_vector"}
"""As a flag has it, and as `vidzoo.retrieval.Encoder`."""
NORMALIZATIONS = {"vlad": "intra", "bow": "none", "fisher": "ssr"}
"""What each is normalised by unless told: as its source has it."""


def choices(aggregation: str) -> tuple[str, ...]:
    """What one of `AGGREGATIONS` can be normalised by, as a flag has it."""
    known = normalizations.NORMALIZATIONS
    if aggregation == "bow":
        known = bag_of_words.NORMALIZATIONS
    return tuple(each or "none" for each in known)


def check(aggregation: str, normalization: str | None = None) -> None:
    """Checks flags that name an encoder.

    Raises:
        UsageError: the aggregation is unknown, or cannot be normalised so.
    """
    if aggregation not in AGGREGATIONS:
        raise UsageError(
            f"--aggregation={aggregation}: give one of {', '.join(AGGREGATIONS)}."
        )
    names = choices(aggregation)
    if normalization is not None and normalization not in names:
        raise UsageError(
            f"--normalization={normalization}: of {aggregation} give one of "
            f"{', '.join(names)}."
        )


def of_encoder(aggregation: str, normalization: str) -> dict:
    """Both as arguments of `vidzoo.retrieval.Encoder.fit`."""
    return {
        "aggregation": AGGREGATIONS[aggregation],
        "normalization": None if normalization == "none" else normalization,
    }
