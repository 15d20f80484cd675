"""The renderer of face-vid2vid (Wang et al., CVPR 2021) with a SPADE decoder, as LivePortrait and SadTalker have it."""
