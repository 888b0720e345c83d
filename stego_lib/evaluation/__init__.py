"""How good a hidden and a revealed photograph are."""
