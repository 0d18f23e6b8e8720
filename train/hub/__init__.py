"""What a hub wants of a checkpoint: a card, a tokenizer, a folder to push."""
