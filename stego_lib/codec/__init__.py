"""Photographs to bytes and back."""
