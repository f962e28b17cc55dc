"""`vidzoo index-remove INDEX ENTRY…`: pictures and videos out of an index.

Apart from `index`, as it needs no network, and so no backend.
"""

from collections.abc import Sequence

from vidzoo.retrieval import IndexFile, index_file
from vidzoo.tasks import index_paths


def run(index, names: Sequence[str]) -> dict:
    """Removes pictures, whole videos, or single frames from an index.

    Args:
        index: the file.
        names: ids or paths, see `vidzoo.tasks.index_paths.find`.

    Returns:
        `index`, and the numbers of entries `removed` and left.

    Raises:
        IndexFileError: as `vidzoo.retrieval.index_file.remove`.
    """
    opened = IndexFile.load(index)
    places = index_paths.find(opened, names)
    ids = {opened.entries[place].entry_id for place in places}
    index_file.remove(index, ids)
    left = len(opened.entries) - len(ids)
    return {"index": str(index), "removed": len(ids), "num_entries": left}
