"""lava-dl's network exchange format (`.net`, HDF5), read and written."""
