"""What people write: inventory, models, prompts. Every mistake is one line with file, key and what was expected."""
