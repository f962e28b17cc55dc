"""Where a training starts: weights files, presets, and a TDN's trained TSN."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from vidzoo.errors import CheckpointError, UsageError
from vidzoo.tasks import clip_settings, run_folder
from vidzoo.weights import fetch, initialize, open_weights
from vidzoo.weights.names import preset_for


class InitialWeights:
    """The files that training starts from, found before anything is built.

    Args:
        model: a key of `run_folder.MODELS`.
        arguments: of its builder.
        classes: names, that an image subnetwork's run must have too.
        split: to train on, likewise.
        accept_license: accept a preset's licence that forbids commercial use.

    Attributes:
        given: what the user named, for the run's description.
    """

    def __init__(
        self,
        model: str,
        arguments: dict,
        classes: Sequence[str],
        split: str,
        accept_license: bool,
    ):
        self._model, self._arguments = model, arguments
        self._classes, self._split = list(classes), split
        self._accept_license = accept_license
        self.given = {"weights": None}
        self._file = self._image_file = self._num_frames = None

    def find(self, weights, image_weights, num_frames=None) -> None:
        """Fetches a preset; checks that what was named can be used.

        Args:
            weights: as `vidzoo.tasks.train.run` has them.
            image_weights: likewise.
            num_frames: likewise, its `weights_num_frames`.

        Raises:
            UsageError: `image_weights` are not for this network, or lack the others.
            CheckpointError: the run in `image_weights` has not finished, or is another
                network, of other classes or another split.
            WeightsError: there is no such file, or it cannot be fetched.
        """
        self._num_frames = num_frames
        if weights is not None:
            parts = run_folder.parts(self._model, self._arguments)
            self.given["weights"], self._file = located(
                weights, *parts, accept_license=self._accept_license
            )
        if image_weights is not None:
            if self._model != "tdn" or weights is None:
                raise UsageError(
                    "--image_weights: is for --model=tdn, with --weights for its "
                    "difference subnetwork."
                )
            self.given["image_weights"] = str(image_weights)
            self._image_file = self._in_run(Path(image_weights))

    def _in_run(self, path):
        """The weights in a run folder, be it of several splits or two streams."""
        if not path.is_dir():
            return path
        if (path / self._split).is_dir():
            path /= self._split
        modality = clip_settings.modality(self._arguments)
        if run_folder.is_two_stream(path):
            path /= modality
        there = run_folder.read_finished(path)
        found = {
            "model": there["model"],
            "modality": clip_settings.modality(there["arguments"]),
            "classes": there["classes"],
            "split": there["split"],
        }
        wanted = {
            "model": "tsn",
            "modality": modality,
            "classes": self._classes,
            "split": self._split,
        }
        for name, value in wanted.items():
            if found[name] != value:
                raise CheckpointError(
                    f"{path}: its {name} is {found[name]}; for the image subnetwork "
                    f"{value} was wanted (--image_weights). Give another run."
                )
        return path / run_folder.WEIGHTS

    def fingerprint(self) -> str | None:
        """SHA-256 of the file, of both if there are two; None without any."""
        found = [fingerprint(f) for f in (self._file, self._image_file) if f]
        return " ".join(found) or None

    def weights(self):
        """What the builder takes."""
        if self._image_file is None:
            if self._file is None:
                return None
            start = open_weights(self._file)
            if self._num_frames is not None:
                wanted = self._arguments["num_frames"]
                start = initialize.expanded(start, self._num_frames, wanted)
            return self._of_own_classes(start)
        arguments = self._arguments
        image, difference = map(open_weights, (self._image_file, self._file))
        difference = initialize.for_modality(
            difference, arguments["modality"], arguments["frame_shape"][-1]
        )
        return initialize.tdn_from_subnetworks(image, difference)

    def _of_own_classes(self, start):
        """Weights of this network for other classes: without their classifiers.

        So a network trained on one data set starts one on another, as UCF101's do on
        HMDB51 (section 4.4.1). Of a backbone's weights the builder leaves it out.
        """
        network = run_folder.name_in_files(self._model, self._arguments)
        own = ("head/kernel", "_head/kernel")
        classes = {
            array.shape[-1]
            for name, array in start.arrays.items()
            if name == own[0] or name.endswith(own[1])
        }
        if start.network != network or classes in (set(), {len(self._classes)}):
            return start
        return initialize.another_number_of_classes(start)


def located(
    weights, network: str, variant: str, *, accept_license: bool = False
) -> tuple[str, Path]:
    """What a run says of weights, and their file; a preset is fetched.

    Args:
        weights: a path, a preset's name or `"imagenet"`.
        network: the network, or backbone, that they are for.
        variant: which of those of that name.
        accept_license: accept a preset's licence that forbids commercial use.

    Raises:
        WeightsError: a preset is of another network, or cannot be fetched.
    """
    preset = preset_for(weights, network, variant)
    if preset is None:
        return str(weights), Path(weights)
    return preset.name, fetch(preset, accept_license=accept_license)


def fingerprint(file: Path) -> str:
    """SHA-256 of a weights file, in hex.

    Raises:
        WeightsError: there is no such file.
    """
    if not Path(file).is_file():
        open_weights(file)  # says what is wrong with it
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
