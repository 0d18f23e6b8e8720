"""What is said of a run or of a teacher: figures by name, in text, JSON and HTML."""
