"""Train spiking students from BERT teachers: data, teacher, student, distillation."""
