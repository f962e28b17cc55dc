"""Who imports whom: the table of DESIGN.md, read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vidzoo.retrieval import indexes
from vidzoo import retrieval

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("vidzoo", "vidzoo_data", "benchmarks")
# Parts that run on every Keras backend, also where TensorFlow is not installed.
ANY_BACKEND = (
    "vidzoo.models",
    "vidzoo.layers",
    "vidzoo.losses",
    "vidzoo.metrics",
    "vidzoo.weights",
)
# What is done with a model, on batches from anywhere.
DATA_FREE = (
    *ANY_BACKEND,
    "vidzoo.training",
    "vidzoo.evaluation",
    "vidzoo.retrieval",
    "vidzoo.explain",
    "vidzoo.export",
    "vidzoo.streaming",
)


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """`(module, whether at module level)` of each import, relative ones resolved."""
    package = module_name(path)
    if path.name != "__init__.py":
        package = package.rpartition(".")[0]

    def visit(node, top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parents = package.split(".")
                    kept = parents[: len(parents) - child.level + 1]
                    base = ".".join([*kept, *filter(None, [base])])
                # `from a import b` may import the module a.b.
                yield from ((f"{base}.{alias.name}", top) for alias in child.names)
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from visit(child, top and not function)

    return list(visit(ast.parse(path.read_text(encoding="utf-8")), True))


FILES = {
    module_name(path): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def within(name, package):
    return name == package or name.startswith(f"{package}.")


def offenders(parts, forbidden, *, allowed=(), top_only=False):
    """Imports of `forbidden` in modules of `parts`."""
    return [
        f"{module} imports {name}"
        for module, path in FILES.items()
        if any(within(module, part) for part in parts)
        for name, top in imports(path)
        if (top or not top_only)
        and any(within(name, package) for package in forbidden)
        and not any(within(name, package) for package in allowed)
    ]


def test_files_are_found():
    assert {"vidzoo.models.tdn", "vidzoo_data.clips", "vidzoo.errors"} <= set(FILES)
    found = imports(FILES["vidzoo.models.tdn"])
    assert ("vidzoo.models.backbones", True) in found and ("keras", True) in found
    found = imports(FILES["vidzoo.cli.runs"])
    assert ("vidzoo.tasks.train", False) in found  # when its verb runs


def test_networks_need_no_tensorflow():
    assert not offenders(ANY_BACKEND, ["tensorflow"], top_only=True)


def test_data_knows_nothing_of_networks_but_the_errors():
    forbidden = ["vidzoo", "benchmarks", "keras"]
    assert not offenders(["vidzoo_data"], forbidden, allowed=["vidzoo.errors"])


def test_what_is_done_with_a_model_takes_batches_from_anywhere():
    assert not offenders(DATA_FREE, ["vidzoo_data"])


def test_only_tasks_join_models_to_data():
    parts = {".".join(m.split(".")[:2]) for m in FILES if m.startswith("vidzoo.")}
    others = parts - {"vidzoo.tasks", "vidzoo.cli", "vidzoo.__main__"}
    assert not offenders(others, ["vidzoo_data", "vidzoo.tasks", "vidzoo.cli"])


def test_nothing_imports_the_benchmarks():
    assert not offenders(["vidzoo", "vidzoo_data"], ["benchmarks"])


def test_nothing_imports_the_tests():
    assert not offenders(PACKAGES, ["tests"])


def test_errors_need_the_standard_library_only():
    names = {name.partition(".")[0] for name, _ in imports(FILES["vidzoo.errors"])}
    assert names <= sys.stdlib_module_names


def test_no_star_imports():
    stars = [m for m, path in FILES.items() for n, _ in imports(path) if n[-2:] == ".*"]
    assert not stars


def test_abandoned_packages_are_not_used():
    assert not offenders(PACKAGES, ["tensorflow_addons", "tensorflow_io"])


def loaded_after(code):
    """The heavy packages that a fresh process has loaded after running `code`."""
    report = (
        "import sys\n"
        "try:\n"
        f"    exec({code!r})\n"
        "finally:\n"
        "    heavy = ('keras', 'tensorflow', 'jax', 'torch', 'cv2')\n"
        "    loaded = [name for name in heavy if name in sys.modules]\n"
        "    print('\\nloaded:', *loaded)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True
    )
    *_, last = done.stdout.splitlines()
    assert last.startswith("loaded:"), done.stderr
    return last.split()[1:], done


@pytest.mark.parametrize(
    "code",
    [
        "import vidzoo",
        "import vidzoo.models; vidzoo.models.__all__",
        "import vidzoo.errors",
        "import vidzoo_data",
        "import vidzoo.metrics",
        "import vidzoo.retrieval; vidzoo.retrieval.IndexFile, vidzoo.retrieval.nearest",
        "import vidzoo.evaluation, vidzoo.tasks.fuse",
        "import vidzoo_data.records.encode; sys.modules.pop('cv2')",
        "import vidzoo_data.flow; sys.modules.pop('cv2')",
    ],
)
def test_these_load_no_backend(code):
    loaded, done = loaded_after(code)
    assert done.returncode == 0, done.stderr
    assert not loaded


@pytest.mark.parametrize(
    "argument, said", [("--help", "predict"), ("models", "GFLOPs")]
)
def test_these_verbs_load_no_backend(argument, said):
    code = f"sys.argv = ['vidzoo', '{argument}']; from vidzoo.cli import main; main()"
    loaded, done = loaded_after(code)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert not loaded


@pytest.mark.parametrize(
    "verb, argument, said",
    [
        ("index-remove", "p001.jpg", "2 left"),
        ("search", "--query_ids=p001.jpg", "p000.jpg"),
    ],
)
def test_an_index_is_read_without_a_backend(verb, argument, said, tmp_path):
    index = indexes.save(tmp_path / "pictures.index", indexes.named(0, 3))
    arguments = ["vidzoo", verb, str(index), argument]
    code = f"sys.argv = {arguments}; from vidzoo.cli import main; main()"
    loaded, done = loaded_after(code)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert set(loaded) <= {"cv2"}


def test_parts_of_retrieval_are_what_they_are_called():
    for name in retrieval.__all__:
        found = getattr(retrieval, name)
        if name not in ("index_file", "BEST_LAYERS", "PROTOCOLS"):
            assert (found.__name__, found.__module__.rpartition(".")[0]) == (
                *(name, "vidzoo.retrieval"),
            )
    with pytest.raises(AttributeError, match="'vidzoo.retrieval' has no .* 'Index'"):
        _ = retrieval.Index


def test_networks_load_no_tensorflow_of_their_own():
    """On the jax backend a network is built without TensorFlow."""
    pytest.importorskip("jax", reason="jax is not installed")
    code = (
        "import os; os.environ['KERAS_BACKEND'] = 'jax'\n"
        "import keras; before = 'tensorflow' in sys.modules\n"
        "import vidzoo.models, vidzoo.losses, vidzoo.weights\n"
        "vidzoo.models.TDN(3, backbone='tiny', frame_shape=(32, 32, 3))\n"
        "assert before or 'tensorflow' not in sys.modules"
    )
    _, done = loaded_after(code)
    assert done.returncode == 0, done.stderr
