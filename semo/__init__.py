"""SeMo: semantic latent motion for portrait video generation, and the benchmark around it."""

from semo import torchvision_ops

__version__ = "0.1.0"

torchvision_ops.install()
