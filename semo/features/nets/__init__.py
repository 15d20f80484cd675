"""Torch networks behind the extractors, imported only when one of them is built."""
