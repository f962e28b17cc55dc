"""Image retrieval: pictures and frames of video, found by what they look like.

Source: dissertation, chapter 2. Images become vectors by their local features, which an
index keeps and search compares.
"""

from vidzoo.retrieval import index_file
from vidzoo.retrieval.bag_of_words import BagOfWords
from vidzoo.retrieval.encoder import Encoder
from vidzoo.retrieval.features import Features, descriptors, feature_maps
from vidzoo.retrieval.fisher_vector import FisherVector
from vidzoo.retrieval.index_builder import IndexBuilder
from vidzoo.retrieval.index_file import IndexFile
from vidzoo.retrieval.index_format import Entry
from vidzoo.retrieval.layers import BEST_LAYERS, layer_names
from vidzoo.retrieval.patches import NearestPatches
from vidzoo.retrieval.protocols import PROTOCOLS, Measured, measure
from vidzoo.retrieval.sample import Sample
from vidzoo.retrieval.search import concatenate, expand_queries, nearest
from vidzoo.retrieval.vlad import VLAD
from vidzoo.retrieval.vocabulary import learn_codebook, learn_mixture
from vidzoo.retrieval.whitening import Whitening

__all__ = [
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
