"""Retrieval: images to vectors by their local features, and search by distance."""

from vidzoo.retrieval.bag_of_words import BagOfWords
from vidzoo.retrieval.encoder import Encoder
from vidzoo.retrieval.features import Features, descriptors, feature_maps
from vidzoo.retrieval.fisher_vector import FisherVector
from vidzoo.retrieval.layers import BEST_LAYERS, layer_names
from vidzoo.retrieval.sample import Sample
from vidzoo.retrieval.search import concatenate, expand_queries, nearest
from vidzoo.retrieval.vlad import VLAD
from vidzoo.retrieval.vocabulary import learn_codebook, learn_mixture
from vidzoo.retrieval.whitening import Whitening

__all__ = [
    "BEST_LAYERS",
    "BagOfWords",
    "Encoder",
    "Features",
    "FisherVector",
    "Sample",
    "VLAD",
    "Whitening",
    "concatenate",
    "descriptors",
    "expand_queries",
    "feature_maps",
    "layer_names",
    "learn_codebook",
    "learn_mixture",
    "nearest",
]
