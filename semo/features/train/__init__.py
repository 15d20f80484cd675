"""Training of the networks of the bundled tier on portraits-mini: `python -m semo.features.train NAME`."""
