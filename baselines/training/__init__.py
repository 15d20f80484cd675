"""Training of the rivals from scratch: what their five recipes share. `python -m baselines.training --help`."""
