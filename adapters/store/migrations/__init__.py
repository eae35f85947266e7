"""Alembic's folder: forward only. A step back is a restore from backup, not a script nobody has tried."""
