"""Photographs hidden in photographs: seal, embedding, and hiding and revealing with both and the codec."""
