"""Four aligned maps from each camera image: segmentation, depth, surface normals, edges."""

__version__ = "0.1.0"
