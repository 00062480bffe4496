"""What this process counts and tells: metrics, added up over all processes in Redis, and lines of the log.

Nothing here waits: values are kept in memory and written once a second by a thread.
"""
