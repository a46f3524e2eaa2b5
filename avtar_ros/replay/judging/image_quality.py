"""Images on which no model can be expected to be good. Of its small image in grey, a frame is

    dark         where its mean is below DARK
    overexposed  where more than OVEREXPOSED_SHARE of its pixels are at or above WHITE
    blurred      where the variance of its Laplacian, over the variance of the image, is below BLURRED

The last is relative, so that a scene of little contrast is not taken for a blurred one.
"""

from __future__ import annotations

import cv2
import numpy as np

from avtar_ros.replay.judging.meters import Meter, View
from avtar_ros.tasks.metric import Figure, Sums

DARK = 40.0
WHITE = 250
OVEREXPOSED_SHARE = 0.2
BLURRED = 0.05
PLAIN = 4.0
"""Variance of grey levels below which an image shows nothing that could be sharp."""


class ImageQualityMeter(Meter):
    """Shares of frames that are dark, overexposed or blurred."""

    name = "image quality"
    figures_given = {  # noqa: RUF012, constant
        "image.dark": Figure("Dark images", "", False, 0.01, "share of images too dark to see much"),
        "image.overexposed": Figure("Overexposed images", "", False, 0.01, "share of images with much pure white"),
        "image.blurred": Figure("Blurred images", "", False, 0.01, "share of images without sharp detail"),
    }

    def measure(self, view: View) -> Sums:
        image = view.grey
        variance = float(image.var())
        sharpness = float(cv2.Laplacian(image, cv2.CV_32F).var())
        flags = (
            image.mean() < DARK,
            (image >= WHITE).mean() > OVEREXPOSED_SHARE,
            variance > PLAIN and sharpness < BLURRED * variance,
        )
        return np.array([1, *flags], np.float64)

    def figures(self, sums: Sums) -> dict[str, float]:
        return dict(zip(self.figures_given, (sums[1:] / sums[0]).tolist(), strict=True)) if sums[0] else {}
