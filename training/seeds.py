"""Which seeds synthetic rooms are made of, for what: no room that measures a model was ever trained on."""

VALIDATION = 2_000_000
"""Of the first room that training is watched by; trained on are those from 0 on, unless a config says otherwise."""
HELD_OUT = 1_000_000
"""Of the first room that finished models are measured on."""
HELD_OUT_ROOMS = 500
COMPARED = range(3_000_000, 3_000_004)
"""Of the rooms on which an exported file is compared with PyTorch."""
