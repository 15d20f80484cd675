"""Pieces that several rivals share: convolution blocks, grids and warps, and the fast path over a clip."""
