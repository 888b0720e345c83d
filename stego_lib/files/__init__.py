"""Photographs as files: the codec."""
