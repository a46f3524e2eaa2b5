"""The families of backbones that adapters can be put in, by Hugging Face's name of the architecture."""

from training.models.families.focalnet import FOCALNET
from training.models.families.pvt import PVT_V2
from training.models.families.swin import SWIN, SWIN_V2
from training.models.families.vit import DINO_V2
from training.models.stages import Family

FAMILIES: dict[str, Family] = {
    "pvt_v2": PVT_V2,
    "swin": SWIN,
    "swinv2": SWIN_V2,
    "dinov2": DINO_V2,
    "dinov2_with_registers": DINO_V2,
    "focalnet": FOCALNET,
}
