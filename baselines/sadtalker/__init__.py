"""SadTalker: Learning Realistic 3D Motion Coefficients for Stylized Audio-Driven Single Image Talking Face Animation
(Zhang et al., CVPR 2023)."""
