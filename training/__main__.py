"""`python -m training` and `accelerate launch -m training` are avtar-train."""

import sys

from training.cli import main

sys.exit(main())
