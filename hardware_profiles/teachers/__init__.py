"""The other side: shapes of BERT-like teachers, and the operations that they need."""
