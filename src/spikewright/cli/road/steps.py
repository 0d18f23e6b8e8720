"""The steps of a road. Light: the options of `spikewright run` name them, too."""

STEPS = ("train", "export", "check", "lower", "simulate", "report")
"""verbs, in the order of the road"""
