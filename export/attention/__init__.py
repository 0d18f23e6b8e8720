"""Attention between spikes, as graphs of stock NIR nodes."""
