"""NIR files, read and written: nothing is dropped or assumed on the way."""
