"""What all trainings share: transformers' Trainer, averages, the order of rows."""
