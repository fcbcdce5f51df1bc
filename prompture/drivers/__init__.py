"""Provider rows and the drivers made of them."""
