"""What the benchmarks' `main` share: measure, keep the results, show them."""

import json
import sys
from collections.abc import Callable

from vidzoo.atomic import write_text
from vidzoo.errors import VidzooError
from vidzoo.quiet import show_vidzoo_logs_only


def run(name: str, args, measure: Callable, show: Callable) -> int:
    """Measures what the flags say, writes the results into their folder, shows them.

    Args:
        name: of the benchmark's module.
        args: the flags; `out` is the folder, and `held_out`, where there is one,
            whether test videos are left alone.
        measure: flags to results, JSON-ready.
        show: prints results.

    Returns:
        0; 1 after an error of vidzoo's, which is printed as a line.
    """
    show_vidzoo_logs_only()
    try:
        results = measure(args)
    except VidzooError as error:
        sys.stderr.write(f"benchmarks.{name}: {error}\n")
        return 1
    file = "held-out.json" if getattr(args, "held_out", False) else "results.json"
    write_text(args.out / file, json.dumps(results, indent=1) + "\n")
    show(results)
    return 0
