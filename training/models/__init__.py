"""The network: a frozen backbone, vision adapters conditioned on task affinities, a shared decoder, a head per task."""
