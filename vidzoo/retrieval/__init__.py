"""Image retrieval: pictures and frames of video, found by what they look like.

Source: dissertation, Chapter 2.
"""

from vidzoo.retrieval import index_file as index_file
from vidzoo.retrieval.index_builder import IndexBuilder as IndexBuilder
from vidzoo.retrieval.index_file import IndexFile as IndexFile
from vidzoo.retrieval.index_format import Entry as Entry
from vidzoo.retrieval.protocols import PROTOCOLS as PROTOCOLS
from vidzoo.retrieval.protocols import Measured as Measured
from vidzoo.retrieval.protocols import measure as measure
