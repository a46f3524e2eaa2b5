"""Which version of the package this is; setup.py and package.xml say the same."""

VERSION = "0.1.0"
