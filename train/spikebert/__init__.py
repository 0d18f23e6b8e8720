"""SpikeBERT: a spiking encoder with a BERT's interface."""
