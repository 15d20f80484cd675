"""What the originals take from detectors - landmarks, mesh, pose, expression, masks -, `annotated` or `detected`.

Both kinds come as one `Face`, so a method never asks where it came from.
"""
