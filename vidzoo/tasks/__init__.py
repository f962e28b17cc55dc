"""The verbs a user knows, each of which joins models to data, and what they share."""
