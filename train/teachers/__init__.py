"""BERT teachers: fine-tuned, made anew, or filling masks."""
