"""Image retrieval: pictures and frames of video, found by what they look like.

Source: dissertation, chapter 2. Images become vectors by their local features, which an
index keeps and search compares. Each part is imported when first asked for: what is in
an index is searched without a backend.
"""

from vidzoo import deferred

_HOMES = {
    "index_file": "index_file",
    "BEST_LAYERS": "layers",
    "PROTOCOLS": "protocols",
    "VLAD": "vlad",
    "BagOfWords": "bag_of_words",
    "Encoder": "encoder",
    "Entry": "index_format",
    "Features": "features",
    "FisherVector": "fisher_vector",
    "IndexBuilder": "index_builder",
    "IndexFile": "index_file",
    "Measured": "protocols",
    "NearestPatches": "patches",
    "Sample": "sample",
    "Whitening": "whitening",
    "concatenate": "search",
    "descriptors": "features",
    "expand_queries": "search",
    "feature_maps": "features",
    "layer_names": "layers",
    "learn_codebook": "vocabulary",
    "learn_mixture": "vocabulary",
    "measure": "protocols",
    "nearest": "search",
}
__all__ = [  # noqa: PLE0604
    "BEST_LAYERS",
    "PROTOCOLS",
    "VLAD",
    "BagOfWords",
    "Encoder",
    "Entry",
    "Features",
    "FisherVector",
    "IndexBuilder",
    "IndexFile",
    "Measured",
    "NearestPatches",
    "Sample",
    "Whitening",
    "concatenate",
    "descriptors",
    "expand_queries",
    "feature_maps",
    "index_file",
    "layer_names",
    "learn_codebook",
    "learn_mixture",
    "measure",
    "nearest",
]
__getattr__, __dir__ = deferred.attributes(__name__, _HOMES)
