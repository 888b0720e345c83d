"""Photographs as files: codec, seal, embedding, and hiding and revealing with all three."""
