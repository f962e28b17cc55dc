"""The verbs a user knows, one per file; each joins models to data."""
