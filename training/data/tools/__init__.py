"""Exports of labelling tools that are not COCO's."""
