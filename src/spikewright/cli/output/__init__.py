"""What is shown: tables, progress and JSON documents."""
