"""What ``epikrise bench`` measures. Engines and load run in processes of their own.

machine.py  facts of the machine, and the disk's own rate
engines.py  the servers: ours, the bound, the peers; one a process
load.py     the same clients for all of them
ingest.py   the rows
"""
