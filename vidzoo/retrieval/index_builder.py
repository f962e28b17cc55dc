"""An index built piece by piece, in a fixed amount of memory, that can be gone on with.

What is added goes into small files in `INDEX.partial`, each written whole or not at all
and checked when a later run finds it. `finish` makes them one index, in the order of
its entries, so that it is the same to the byte whether or not it was interrupted.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vidzoo.atomic import remove_leftovers, replacing, write_text
from vidzoo.errors import IndexFileError
from vidzoo.retrieval import index_file, index_format
from vidzoo.retrieval.index_file import Encoder, IndexFile
from vidzoo.retrieval.index_format import PART, Entry, Rows

_PLAN = "plan.json"
_PARTS = "part-*.safetensors"


class IndexBuilder:
    """Builds an index; to be used in a `with` block, of which `finish` is the end.

    Leaving the block otherwise keeps what was added, for the next run.

    Attributes:
        done: the paths whose vectors are there, from this run or from one before.

    Example:
        >>> import tempfile
        >>> class Mean:
        ...     def arrays(self):
        ...         return {}
        ...
        ...     def description(self):
        ...         return {"layer": "mean"}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/pictures.index"
        ...     with IndexBuilder(path, Mean(), {"a.jpg": 1234}) as builder:
        ...         builder.append(np.ones((1, 3)), [Entry("a.jpg", "a.jpg")])
        ...         index = builder.finish()
        ...     index.vectors.shape
        (1, 3)
    """

    def __init__(
        self,
        path: str | os.PathLike,
        encoder: Encoder,
        inputs: Mapping[str, int],
        *,
        part_length: int = 256,
    ):
        """Settles what is to be built; nothing is read or written yet.

        Args:
            path: the index, which must not be there.
            encoder: what makes the vectors.
            inputs: path of every picture and video to its size in bytes. What a run
                before made of a file that is gone, or has another size now, is dropped.
            part_length: after how many vectors they are written out.
        """
        self.done = set()
        self._path, self._encoder = Path(path), encoder
        self._inputs, self._part_length = dict(inputs), part_length
        self._folder = self._path.with_name(f"{self._path.name}.partial")
        self._fingerprint = index_file.fingerprint(encoder)
        self._dim, self._ids = None, set()
        self._files = []  # the parts that are written
        self._pending = []  # `(vectors, entries)` that are not
        self._held = contextlib.ExitStack()

    def __enter__(self):
        """Takes up what a run before left.

        Raises:
            IndexFileError: the index is there, or begun with another encoder, or
                cannot be written.
            VidzooError: another process works on it.
        """
        with self._held:
            self._held.enter_context(index_file.working_on(self._path))
            self._check_absent()
            self._take_up()
            self._held = self._held.pop_all()
        return self

    def __exit__(self, kind, error, trace):
        with self._held, contextlib.ExitStack() as quiet:
            if isinstance(error, IndexFileError):
                quiet.enter_context(contextlib.suppress(IndexFileError))  # the same
            self._write_part()

    def append(self, vectors: np.ndarray, entries: Sequence[Entry]) -> None:
        """Adds vectors; those of one call are kept together or not at all.

        So the frames of a video belong in one call: its path is then in `done` if all
        of them are.

        Args:
            vectors: `(n, D)`.
            entries: what they are of; their paths are among the inputs.

        Raises:
            ValueError: the shapes do not fit, or a path or an id is wrong.
            IndexFileError: the disk is full, or a vector holds NaN or infinity.
        """
        vectors = index_file.checked(self._path, vectors, entries)
        if vectors.shape[1] != (self._dim or vectors.shape[1]):
            raise ValueError(
                f"`vectors` must be (n, {self._dim}) like those before. "
                f"Received: {vectors.shape}."
            )
        for entry in entries:
            if entry.path not in self._inputs or entry.entry_id in self._ids:
                raise ValueError(
                    "`entries` must be of the inputs, and none there already. "
                    f"Received: {entry.entry_id} of {entry.path}."
                )
        self._pending.append((vectors, entries))
        self._note(entries, vectors.shape[1])
        if sum(len(entries) for _, entries in self._pending) >= self._part_length:
            self._write_part()

    def finish(self) -> IndexFile:
        """Makes the parts one index, and removes them.

        Raises:
            IndexFileError: nothing was added, or it cannot be written.
        """
        self._write_part()
        if not self._files:
            raise IndexFileError(
                f"{self._path}: there is nothing to put into it: nothing was added of "
                f"{len(self._inputs)} pictures and videos."
            )
        self._ids.clear()  # room for what is read
        parts, listed = [], []
        with index_format.naming_errors(self._path):
            for file in self._files:
                stored = index_format.read(file, PART)
                parts.append(Rows(stored))
                listed.append(stored.entries)
            index_file.write_index(self._path, self._encoder, parts, listed, self._dim)
            self._remove_folder()
        return IndexFile.load(self._path, self._encoder)

    def _note(self, entries, dim):
        self._dim = dim
        self._ids.update(entry.entry_id for entry in entries)
        self.done.update(entry.path for entry in entries)

    def _write_part(self):
        if not self._pending:
            return
        number = 1 + int(self._files[-1].stem.split("-")[1]) if self._files else 0
        file = self._folder / f"part-{number:06d}.safetensors"
        with index_format.naming_errors(file), replacing(file) as opened:
            index_format.write(
                opened,
                PART,
                {"fingerprint": self._fingerprint},
                [vectors for vectors, _ in self._pending],
                self._dim,
                [entry for _, entries in self._pending for entry in entries],
                {},
            )
        self._files.append(file)
        self._pending = []

    def _check_absent(self):
        """Also tidies up where a run was killed when all was done but that."""
        if self._path.exists() and self._plan():
            index = IndexFile.load(self._path)
            if self._plan()["fingerprint"] == index.fingerprint:
                self._remove_folder()
        index_file.check_absent(self._path)

    def _plan(self):
        """What a run before set out to do; empty if there was none."""
        try:
            return json.loads((self._folder / _PLAN).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}

    def _take_up(self):
        self._folder.mkdir(exist_ok=True)
        plan = self._plan()
        others = [f.name for f in self._folder.iterdir() if not f.name.startswith(".")]
        if others and not plan:
            raise IndexFileError(
                f"{self._folder}: holds other files, such as {min(others)}, where a "
                "run before would have left its parts. Move them away, or choose "
                "another name."
            )
        if plan and plan["fingerprint"] != self._fingerprint:
            differing = index_file.differences(plan["description"], None, self._encoder)
            raise IndexFileError(
                f"{self._folder}: was begun with another encoder: {differing}. Remove "
                "it, or choose another name."
            )
        remove_leftovers(self._folder / _PARTS)
        for file in sorted(self._folder.glob(_PARTS)):
            if not self._take_part(file, plan["inputs"]):
                file.unlink()
        plan = {
            "fingerprint": self._fingerprint,
            "description": self._encoder.description(),
            "inputs": self._inputs,
        }
        write_text(self._folder / _PLAN, json.dumps(plan))

    def _take_part(self, file, inputs_before):
        """Whether a part is whole, and of files that are as they were."""
        try:
            stored = index_format.read(file, PART)
        except IndexFileError:
            return False  # what was in it is made again
        for path in {entry.path for entry in stored.entries}:
            if self._inputs.get(path, -1) != inputs_before.get(path):
                return False
        self._files.append(file)
        self._note(stored.entries, stored.vectors.shape[1])
        return True

    def _remove_folder(self):
        """The plan last, for a next run to know the folder by."""
        remove_leftovers(self._folder / _PARTS)
        remove_leftovers(self._folder / _PLAN)
        for file in self._folder.glob(_PARTS):
            file.unlink()
        (self._folder / _PLAN).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not if there are other files in it
            self._folder.rmdir()
