"""Exit codes; 130 and 143, of what was stopped, are in `vidzoo.stopping`."""

DONE, FAILED, USAGE, SKIPPED = 0, 1, 2, 3
