"""LivePortrait: Efficient Portrait Animation with Stitching and Retargeting Control (Guo et al., 2024)."""
