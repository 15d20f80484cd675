"""SeMo: semantic latent motion for portrait video generation, and the benchmark around it."""

__version__ = "0.1.0"
