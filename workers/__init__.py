"""The GPU side: the letter writer, its training, and what Celery calls."""
