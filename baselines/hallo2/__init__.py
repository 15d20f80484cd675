"""Hallo2: Long-Duration and High-Resolution Audio-Driven Portrait Image Animation (Cui et al., ICLR 2025)."""
