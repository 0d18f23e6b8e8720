"""Lava Processes and their models, and nothing else.

Lava's compiler executes every file beside a Process, for every kind of Process.
"""
