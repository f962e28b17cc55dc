"""Image retrieval: pictures and frames of video, found by what they look like.

Source: dissertation, Chapter 2.
"""

from vidzoo.retrieval.protocols import PROTOCOLS as PROTOCOLS
from vidzoo.retrieval.protocols import Measured as Measured
from vidzoo.retrieval.protocols import measure as measure
