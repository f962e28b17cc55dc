"""An index built piece by piece, in a fixed amount of memory, that can be gone on with.

What is added goes into small files in `INDEX.partial`, each written whole or not at all
and checked when a later run finds it. `finish` makes them one index, in the order of
its entries: of equal vectors it is the same to the byte whether or not it was
interrupted. Vectors that a network makes in other batches may differ in last digits.
The encoder can be kept there too: learning it comes first, and takes long.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vidzoo.atomic import remove_leftovers, replacing, write_text
from vidzoo.errors import IndexFileError
from vidzoo.retrieval import index_file, index_format, index_parts
from vidzoo.retrieval.index_file import Encoder, IndexFile
from vidzoo.retrieval.index_format import ENCODER, INDEX, PART, Entry, Rows

_PLAN, _ENCODER = "plan.json", "encoder.safetensors"


class IndexBuilder:
    """Builds or adds to an index, in a `with` block of which `finish` is the end.

    Leaving the block otherwise keeps what was added, for the next run.

    Attributes:
        done: the paths whose vectors are there, from this run, from one before, or in
            the index that is added to.

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
        adds: bool = False,
        notes: Mapping | None = None,
        part_length: int = 256,
    ):
        """Settles what is to be built; nothing is read or written yet.

        Args:
            path: the index, which must not be there, or must if it is added to.
            encoder: what makes the vectors.
            inputs: path of every picture and video to its size in bytes. What a run
                before made of a file that is gone, or has another size now, is dropped.
            adds: whether to add to an index that is there.
            notes: see `IndexFile`; of a new index.
            part_length: after how many vectors they are written out; memory holds no
                more than twice as many, and those of one call.
        """
        self.done = set()
        self._path, self._encoder = Path(path), encoder
        self._inputs, self._part_length = dict(inputs), part_length
        self._adds, self._notes = adds, dict(notes or {})
        self._stored = None  # the index that is added to
        self._folder = _folder(self._path)
        self._fingerprint = index_file.fingerprint(encoder)
        self._dim, self._ids = None, set()
        self._parts = index_parts.Parts(self._folder, self._fingerprint)
        self._pending = []  # `(vectors, entries)` of whole files, not yet written
        self._open = None  # the file of which more is to come
        self._held = contextlib.ExitStack()

    def __enter__(self):
        """Takes up what a run before left.

        Raises:
            IndexFileError: the index is there (or is not, or has another encoder, if
                it is added to), or begun with another encoder, or cannot be written.
            VidzooError: another process works on it.
        """
        if self._adds:
            index_format.check_there(self._path)
        with self._held:
            self._held.enter_context(index_file.working_on(self._path))
            if self._adds:
                self._open_index()
            else:
                check_absent(self._path)
            self._take_up()
            self._held = self._held.pop_all()
        return self

    def __exit__(self, kind, error, trace):
        with self._held, contextlib.ExitStack() as quiet:
            if isinstance(error, IndexFileError):
                quiet.enter_context(contextlib.suppress(IndexFileError))  # the same
            self._drop_open()
            self._write_pending()

    def append(
        self, vectors: np.ndarray, entries: Sequence[Entry], *, more: bool = False
    ) -> None:
        """Adds vectors; those of one file are kept together or not at all.

        The frames of a video come in one call, or in several that follow each other, of
        which all but the last say that there is more: so a video may be of any length.
        Its path is then in `done`. If another path comes before its last call, or the
        end, it is left out.

        Args:
            vectors: `(n, D)`.
            entries: what they are of; their paths are among the inputs.
            more: whether more of the file is to come. Entries are then, and of the
                calls that follow, of one path.

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
        path = entries[0].path
        if self._open is not None and self._open.path != path:
            self._drop_open()
        in_pieces = more or self._open is not None
        for entry in entries:
            if entry.path not in self._inputs or entry.entry_id in self._ids:
                raise ValueError(
                    "`entries` must be of the inputs, and none there already. "
                    f"Received: {entry.entry_id} of {entry.path}."
                )
            if in_pieces and entry.path != path:
                raise ValueError(
                    f"`entries` must be of {path} alone, of which there is more. "
                    f"Received: {entry.entry_id} of {entry.path}."
                )
        self._dim = vectors.shape[1]
        self._ids.update(entry.entry_id for entry in entries)
        if in_pieces:
            self._append_piece(vectors, entries, more)
        else:
            self._append_whole([(vectors, entries)])

    def _append_whole(self, pieces):
        self._pending += pieces
        self.done.update(entry.path for _, entries in pieces for entry in entries)
        if _num_entries(self._pending) >= self._part_length:
            self._write_pending()

    def _append_piece(self, vectors, entries, more):
        self._open = self._open or _OpenFile(entries[0].path)
        self._open.waiting.append((vectors, entries))
        self._open.entry_ids.update(entry.entry_id for entry in entries)
        if more:
            if _num_entries(self._open.waiting) >= self._part_length:
                self._write_pending()  # first, so that pieces follow each other
                self._write_open(None)
            return
        if self._open.parts:
            self._write_open(len(self._open.entry_ids))
            self.done.add(self._open.path)
        else:
            self._append_whole(self._open.waiting)
        self._open = None

    def finish(self) -> IndexFile:
        """Makes the parts one index, with what was in it, and removes them.

        Raises:
            IndexFileError: nothing was added to a new index, or it cannot be written.
        """
        self._drop_open()
        self._write_pending()
        if not self._parts.files and not self._adds:
            raise IndexFileError(
                f"{self._path}: there is nothing to put into it: nothing was added of "
                f"{len(self._inputs)} pictures and videos."
            )
        self._ids.clear()  # room for what is read
        with index_format.naming_errors(self._path):
            if self._parts.files:
                self._write_index()
            _remove(self._folder)
        return IndexFile.load(self._path, self._encoder)

    def _write_index(self):
        every = [] if self._stored is None else [self._stored]
        every += [index_format.read(file, PART) for file in self._parts.files]
        index_file.write_index(
            self._path,
            self._encoder,
            [Rows(stored) for stored in every],
            [stored.entries for stored in every],
            self._dim,
            self._notes,
        )

    def _open_index(self):
        self._stored = index_format.read(self._path, INDEX)
        index = IndexFile.of(self._stored, self._encoder)
        self._notes = index.notes
        self._note(index.entries, index.vectors.shape[1])

    def _note(self, entries, dim):
        self._dim = dim
        self._ids.update(entry.entry_id for entry in entries)
        self.done.update(entry.path for entry in entries)

    def _write_pending(self):
        if self._pending:
            self._parts.write(self._pending)
            self._pending = []

    def _write_open(self, num_entries):
        opened = self._open
        part = self._parts.write_piece(opened.waiting, opened.path, num_entries)
        opened.parts.append(part)
        opened.waiting = []

    def _drop_open(self):
        """Leaves out a file of which not all came."""
        if self._open is not None:
            dropped, self._open = self._open, None
            self._ids -= dropped.entry_ids
            self._parts.remove(dropped.parts)

    def _take_up(self):
        plan = _claim(self._folder)
        if plan and plan["fingerprint"] != self._fingerprint:
            differing = index_file.differences(plan["description"], None, self._encoder)
            raise IndexFileError(
                f"{self._folder}: was begun with another encoder: {differing}. Remove "
                "it, or choose another name."
            )
        before = plan.get("inputs", {})
        for part in self._parts.take_up(lambda entries: self._is_old(entries, before)):
            self._note(part.entries, part.vectors.shape[1])
        plan = {
            "fingerprint": self._fingerprint,
            "description": self._encoder.description(),
            "inputs": self._inputs,
            "adds": self._adds,
        }
        write_text(self._folder / _PLAN, json.dumps(plan))

    def _is_old(self, entries, inputs_before):
        """Whether entries of the run before are of files that are as they were."""
        if any(entry.entry_id in self._ids for entry in entries):
            return False  # that run was killed when all was done but tidying up
        return all(
            self._inputs.get(path, -1) == inputs_before.get(path)
            for path in {entry.path for entry in entries}
        )


class _OpenFile:
    """A video of which not all vectors have come.

    Attributes:
        path: as its entries have it.
        waiting: `(vectors, entries)` that are not yet written.
        parts: those that are written; they hold nothing else.
        entry_ids: of both.
    """

    def __init__(self, path):
        self.path, self.waiting, self.parts, self.entry_ids = path, [], [], set()


def _num_entries(pieces):
    return sum(len(entries) for _, entries in pieces)


def check_absent(path: Path) -> None:
    """Refuses to replace a file.

    Also tidies up where a run was killed when all was done but that.

    Raises:
        IndexFileError: there is one.
    """
    folder = _folder(path)
    plan = _plan(folder)
    if path.exists() and plan and not plan.get("adds"):
        if plan["fingerprint"] == IndexFile.load(path).fingerprint:
            _remove(folder)
    index_file.check_absent(path)


def keep_encoder(
    path: str | os.PathLike,
    encoder: Encoder,
    settings: Mapping,
    files: Mapping[str, int],
) -> None:
    """Keeps the encoder of an index that is to be built, until that is finished.

    Args:
        path: the index.
        encoder: it.
        settings: how it was learned, JSON-ready.
        files: what it was learned of: path of each to its size in bytes.

    Raises:
        IndexFileError: it cannot be written.
        VidzooError: another process works on the index.
    """
    path = Path(path)
    with index_file.working_on(path):
        folder = _folder(path)
        _claim(folder)
        metadata = {
            "description": index_file.canonical(encoder.description()),
            "settings": index_file.canonical(settings),
            "files_sha256": _digest(files),
        }
        with replacing(folder / _ENCODER) as file:
            index_format.write(file, ENCODER, metadata, [], 1, [], encoder.arrays())


def kept_encoder(
    path: str | os.PathLike, settings: Mapping, files: Mapping[str, int]
) -> tuple[dict[str, np.ndarray], dict] | None:
    """The arrays and the description of the encoder that a run before kept, if any.

    Args:
        path: the index, which must not be there.
        settings: what it must have been learned by.
        files: what it must have been learned of, as of `keep_encoder`.

    Raises:
        IndexFileError: the index is there, or what was kept was learned otherwise or of
            other files; the message says how.
        VidzooError: another process works on the index.
    """
    path = Path(path)
    with index_file.working_on(path):
        check_absent(path)
        file = _folder(path) / _ENCODER
        try:
            stored = index_format.read(file, ENCODER)
        except IndexFileError:
            return None  # none, or a damaged one
    before = json.loads(stored.metadata["settings"])
    found = index_file.differing(before, settings)
    if stored.metadata.get("files_sha256") != _digest(files):
        found.append("the files that words are learned of are others, or were changed")
    if found:
        raise IndexFileError(
            f"{file.parent}: was begun otherwise: {'; '.join(found)}. Go on with the "
            "same settings and files, remove that folder, or choose another name."
        )
    return stored.arrays, json.loads(stored.metadata["description"])


def _digest(files):
    return hashlib.sha256(index_file.canonical(files).encode()).hexdigest()


def _folder(path):
    return path.with_name(f"{path.name}.partial")


def _plan(folder):
    """What a run before set out to do; empty if there was none."""
    try:
        return json.loads((folder / _PLAN).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def _claim(folder):
    """Makes the folder, or checks that it is ours: what a run before set out to do."""
    folder.mkdir(exist_ok=True)
    plan = _plan(folder)
    others = {f.name for f in folder.iterdir() if not f.name.startswith(".")}
    others.discard(_ENCODER)
    if others and not plan:
        raise IndexFileError(
            f"{folder}: holds other files, such as {min(others)}, where a run before "
            "would have left its parts. Move them away, or choose another name."
        )
    return plan


def _remove(folder):
    """The plan last, for a next run to know the folder by."""
    for name in (index_parts.NAMES, _ENCODER, _PLAN):
        remove_leftovers(folder / name)
    for file in (*folder.glob(index_parts.NAMES), folder / _ENCODER, folder / _PLAN):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not if there are other files in it
        folder.rmdir()
