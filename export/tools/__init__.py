"""Which other tools load a NIR file exactly, and which node stops the others."""
