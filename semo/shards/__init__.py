"""Training data of data sets too large for memory or for a file per clip: tar files written by one job each."""
