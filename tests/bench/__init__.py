"""Speed and memory against what a user would take instead: ``python -m tests.bench [name ...]``.

Every case runs in a process of its own, which reports its wall time, its CPU seconds and its peak memory. Absolute
numbers belong to the machine; what is compared is the ratio of two cases of one run.
"""
